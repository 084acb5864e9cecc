#!/usr/bin/env node
/** The command `nlb`. */
import { dispatch } from './cli/dispatch.js';
import { processTerminal } from './cli/terminal.js';

// Not process.exit(): what was written to a pipe must still arrive.
process.exitCode = await dispatch(process.argv.slice(2), processTerminal());
