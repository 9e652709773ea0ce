/**
 * The command line: commands from the host, the linker and the components, and one way of failing.
 *
 * Whatever goes wrong for a reason the user can mend is one line on stderr and exit status 1. A panic
 * of the kernel is told with its stack, status 70 (EX_SOFTWARE). Anything else is a bug of ours and
 * keeps its JavaScript stack.
 */
import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { users } from '../../gen/host/users';
import { registerBuildCommands } from '../../tools/mkimage/index';
import { registerDiskCommands } from '../disk/commands';
import { registerHarness } from '../harness/command';
import { packageRoot } from '../imageFile';
import { RumpPanic } from '../panic';
import { registerInstanceCommands } from './commands';
import { isUsersFault, oneLine } from './errors';
import { registerSim } from '../sim/command';
import { registerRunCommand } from './run';

/** Exit status after a panic: EX_SOFTWARE of sysexits(3). */
const panicStatus = 70;
/** Frames kept of a stack: those of the image come first, and there may be many. */
const stackFrames = 40;

function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/** The whole program, for main() and for tests. */
export function makeProgram(): Command {
  const program = new Command('rumpwasm')
    .description('An anykernel for WebAssembly: link kernel components into an image, and run it.')
    .version(version())
    .showSuggestionAfterError()
    // Options of the program stand before the command: -V behind netstat is netstat's.
    .enablePositionalOptions();
  registerRunCommand(program);
  registerInstanceCommands(program);
  registerSim(program);
  registerHarness(program);
  registerBuildCommands(program);
  for (const user of Object.values(users)) user.registerCommands?.(program);
  registerDiskCommands(program);
  return program;
}

/** Print `error` as users want it. @returns the exit status */
export function report(error: unknown): number {
  if (error instanceof RumpPanic) {
    process.stderr.write(`rumpwasm: the kernel stopped: ${error.report()}\n`);
    return panicStatus;
  }
  if (isUsersFault(error) && !process.env.DEBUG) process.stderr.write(`rumpwasm: ${oneLine(error)}\n`);
  else process.stderr.write(`rumpwasm: ${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}

/** Parse `argv` and do what it says; sets the exit status. */
export async function main(argv: readonly string[]): Promise<void> {
  Error.stackTraceLimit = stackFrames;
  try {
    await makeProgram().parseAsync(argv as string[]);
  } catch (error) {
    process.exitCode = report(error);
  }
}
