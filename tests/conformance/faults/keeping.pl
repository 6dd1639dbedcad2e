# A service over HTTP/1.1 that keeps connections, for containers. usage: keeping.pl PORT
use strict;
use warnings;
use IO::Socket::INET;

$SIG{TERM} = sub { exit 0 };
$SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalPort => shift, Listen => 128, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    next if fork;
    close $server;
    $client->autoflush(1);
    while (defined(my $line = <$client>)) {
        my $length = 0;
        while (my $head = <$client>) {
            last if $head =~ /^\r?\n$/;
            $length = $1 if $head =~ /^content-length:\s*(\d+)/i;
        }
        read $client, my $body, $length if $length;
        print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", $line =~ /^HEAD/ ? "" : "ok";
    }
    exit 0;
}
