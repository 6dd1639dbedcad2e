# A small service for a container: answers "hello", or asks BACK (host:port) for it, anew each time.
use strict; use IO::Socket::INET; $| = 1;
my $back = $ENV{BACK} || '';
my $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 64, ReuseAddr => 1) or die "listen: $!";
$SIG{TERM} = sub { exit 0 };
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $client = $server->accept or next;
    next if fork;
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    my $body = $back ? '' : 'hello';
    if ($back and my $peer = IO::Socket::INET->new(PeerAddr => $back, Timeout => 1)) {
        print $peer "GET / HTTP/1.0\r\n\r\n";
        local $SIG{ALRM} = sub { die };
        eval { alarm 1; local $/; $body = <$peer>; alarm 0; };
        $body = $body =~ /hello$/ ? 'hello' : '';
    }
    my $status = $body ? '200 OK' : '503 Gone';
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    exit 0;
}
