# The worker once more, for containers, which have Perl: GET / (its pid), /spin, /grow?mib=N, /spawn, /open?count=N, /write?path=P.
# usage: worker.pl PORT
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(strftime);

$| = 1;
$SIG{TERM} = sub { exit 0 };
$SIG{CHLD} = 'IGNORE';
my @kept;
my %deeds = (
    '/' => sub { $$ },
    '/spin' => sub {
        my ($began, $spent) = POSIX::times();    # hundredths of a second
        my ($now, $used) = ($began, $spent);
        ($now, $used) = POSIX::times() while $used - $spent < 10;
        ($now - $began) / 100;
    },
    '/grow' => sub { push @kept, "x" x ($_[0] << 20); scalar @kept },
    '/spawn' => sub { defined(my $pid = fork) or die "fork: $!\n"; if (!$pid) { sleep 600; exit } $pid },
    '/open' => sub { for (1 .. $_[0]) { open(my $file, '<', '/dev/null') or die "open: $!\n"; push @kept, $file } scalar @kept },
    '/write' => sub {
        my $path = "$_[0]/written";
        open(my $file, '>', $path) or die "open: $!\n";
        my $good = syswrite($file, "x" x 65536);
        my $why = $!;
        unlink $path;
        die "write: $why\n" unless defined $good && $good == 65536;
        $good;
    },
);
my $server = IO::Socket::INET->new(LocalPort => shift, Listen => 128, ReuseAddr => 1) or die "port: $!";
while (my $client = $server->accept) {
    my $line = <$client> // "";
    while (my $head = <$client>) { last if $head =~ /^\r?\n$/ }
    my ($path, $value) = $line =~ m{^\w+ (/\w*)(?:\?\w+=(\S*))? } ? ($1, $2) : ('', '');
    my ($status, $told) = exists $deeds{$path} ? ("200 OK", eval { $deeds{$path}->($value) }) : ("404 Not Found", 'nothing');
    ($status, $told) = ("500 Wrong", $@) if $@;
    $told = qq("$told") unless $told =~ /^[\d.]+$/;
    $told =~ s/\n//g;
    my $date = strftime "%a, %d %b %Y %H:%M:%S GMT", gmtime;
    print $client "HTTP/1.0 $status\r\nDate: $date\r\nContent-Length: ", length $told, "\r\n\r\n$told";
    close $client;
}
