#!/usr/bin/env node
process.stderr.write('nlb: not wired yet\n');
process.exit(70);
