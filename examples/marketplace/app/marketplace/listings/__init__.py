"""The listings microservice, over gRPC."""
