# The tiny service once more, for containers: answers GET /ready and /pid, and starts a child of its own.
# usage: shop.pl PORT
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
$SIG{TERM} = sub { exit 0 };
my $port = shift;
if (!fork) { exec "sleep", "1000" }
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 128, ReuseAddr => 1) or die "port $port: $!";
print "shop listens on $port as $ENV{WHO}\n";
while (my $client = $server->accept) {
    my $line = <$client> // "";
    while (my $head = <$client>) { last if $head =~ /^\r?\n$/ }
    my $status = $line =~ m{^\w+ /(ready|pid) } ? "200 OK" : "404 Not Found";
    my $length = length $$;
    print $client "HTTP/1.0 $status\r\nContent-Length: $length\r\n\r\n$$";
    close $client;
}
