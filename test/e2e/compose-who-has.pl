# Asks on the link who has an IPv4 address, every 50 ms until a file is there, and says who answered: each question is one moment.
#   perl compose-who-has.pl ADDRESS UNTIL
# One line whenever it is somebody else: the Ethernet addresses that answered in that moment, or `nobody`.
use strict;
use warnings;
use Socket qw(inet_aton);
use Time::HiRes qw(time);

my ($asked, $until) = @ARGV;
my ($AF_PACKET, $SOCK_RAW, $ETH_P_ARP) = (17, 3, 0x0806);
my $answer_s = 0.05;

sub line {
  open my $file, '<', $_[0] or die "$_[0]: $!";
  chomp(my $text = <$file>);
  return $text;
}

my $mac = pack 'H12', line('/sys/class/net/eth0/address') =~ s/://gr;
socket my $link, $AF_PACKET, $SOCK_RAW, unpack('S', pack('n', $ETH_P_ARP)) or die "socket: $!";
# struct sockaddr_ll: family, protocol, interface; the rest is for sending to one card.
bind $link, pack('S n i S C C a8', $AF_PACKET, $ETH_P_ARP, line('/sys/class/net/eth0/ifindex'), 0, 0, 0, '') or die "bind: $!";
my $head = pack('H12', 'f' x 12) . $mac . pack('n n n C C n', $ETH_P_ARP, 1, 0x0800, 6, 4, 1);
my $question = $head . $mac . inet_aton('0.0.0.0') . ("\0" x 6) . inet_aton($asked);
my $before = '';
until (-e $until) {
  send $link, $question, 0 or die "send: $!";
  my %answered;
  my $ends = time + $answer_s;
  while ((my $left = $ends - time) > 0) {
    my $ready = '';
    vec($ready, fileno $link, 1) = 1;
    last unless select $ready, undef, undef, $left;
    recv $link, my $frame, 128, 0;
    my ($operation, $from, $address) = unpack 'x20 n H12 a4', $frame;
    $answered{$from} = 1 if $operation == 2 and $address eq inet_aton($asked);
  }
  my $now = join(' ', sort keys %answered) || 'nobody';
  print "$now\n" if $now ne $before;
  $before = $now;
}
