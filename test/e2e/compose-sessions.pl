# Holds an SMTP session from each of many addresses of the client, and says in the end which of them still answer.
#   perl compose-sessions.pl PREFIX FIRST COUNT HOST UNTIL
# COUNT addresses from PREFIX . FIRST on. It makes the file UNTIL.open when all are open, and asks each of them once more when the
# file UNTIL is there, but those of the host that UNTIL names: they would be waited for in vain. One line a session:
# ADDRESS BANNER-HOST LAST-REPLY
use strict;
use warnings;
use IO::Socket::IP;

my ($prefix, $first, $count, $host, $until) = @ARGV;
my @held;

sub ask {
  my ($one, $say) = @_;
  my $socket = $one->{socket} or return;
  local $SIG{ALRM} = sub { $socket->shutdown(2) };
  alarm 20;
  print $socket "$say\r\n" if $say ne '';
  $one->{reply} = <$socket> // 'closed';
  $one->{reply} =~ s/\s+$//;
  alarm 0;
}

$SIG{PIPE} = 'IGNORE';
for my $n (0 .. $count - 1) {
  my $address = $prefix . ($first + $n);
  my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => 25, LocalHost => $address, Timeout => 10);
  my $one = { address => $address, socket => $socket, reply => "refused: $@" };
  ask($one, '');
  $one->{name} = $one->{reply} =~ /^220 (\w+)\./ ? $1 : '-';
  push @held, $one;
}
open my $mark, '>', "$until.open" or die "$until.open: $!";
close $mark;
select undef, undef, undef, 0.1 until -s $until;
open my $file, '<', $until or die "$until: $!";
chomp(my $dead = <$file>);
for my $one (@held) {
  ask($one, 'NOOP') if $one->{name} ne $dead;
  print "$one->{address} $one->{name} $one->{reply}\n";
}
