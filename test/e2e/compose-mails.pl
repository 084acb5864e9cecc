# Sends mails from many addresses of the client through several entry hosts, in a container that has Perl and little else.
#   perl compose-mails.pl TAG PREFIX FIRST COUNT WORKERS UNTIL HOST ...
# COUNT addresses from PREFIX . FIRST on (10.78.0. and 130), each through each HOST, shared between WORKERS processes; over and
# over until the file UNTIL exists, or once where UNTIL is `once`. One line a mail: ID ADDRESS HOST BANNER-HOST LAST-REPLY, and when it
# was (UTC) where it was not taken.
use strict;
use warnings;
use IO::Socket::IP;
use POSIX qw(strftime);
use Time::HiRes qw(time);

my ($tag, $prefix, $first, $count, $workers, $until, @hosts) = @ARGV;
$| = 1;

sub reply {
  my ($socket) = @_;
  while (defined(my $line = <$socket>)) {
    $line =~ s/\s+$//;
    return $line unless $line =~ /^\d{3}-/;
  }
  return 'closed';
}

sub mail {
  my ($id, $address, $host) = @_;
  my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => 25, LocalHost => $address, Timeout => 10) or return "- refused: $@";
  local $SIG{ALRM} = sub { $socket->shutdown(2) };    # a session that hangs ends as one that was closed
  alarm 15;
  my $banner = reply($socket);
  my $from = $banner =~ /^220 (\w+)\./ ? $1 : '-';
  my $last = $banner;
  for my $say ('HELO client', 'MAIL FROM:<a@example.net>', 'RCPT TO:<bob@example.org>', 'DATA', "X-Id: $id\r\n\r\n.") {
    return "$from $last" unless $last =~ /^[23]/;
    print $socket "$say\r\n";
    $last = reply($socket);
  }
  print $socket "QUIT\r\n";
  alarm 0;
  return "$from $last";
}

$SIG{PIPE} = 'IGNORE';
for my $worker (0 .. $workers - 1) {
  next if fork;
  my $round = 0;
  do {
    for my $n (grep { $_ % $workers == $worker } 0 .. $count - 1) {
      for my $host (@hosts) {
        my $address = $prefix . ($first + $n);
        my $id = "$tag-$address-$round-$host";
        $id =~ s/\W+/-/g;
        select undef, undef, undef, 0.02;    # a steady stream, not a race for the processor
        my $said = mail($id, $address, $host);
        my $at = $said =~ / queued as / ? '' : sprintf ' at %s.%03d', strftime('%H:%M:%S', gmtime), time * 1000 % 1000;
        print "$id $address $host $said$at\n";
      }
      last if -e $until;
    }
    $round++;
  } until $until eq 'once' or -e $until;
  exit;
}
1 while wait != -1;
