/**
 * mkimage on its own, without a host: `node tools/run.mjs mkimage build SOCKIN`. The same commands are in
 * `rumpwasm`; this one works while the host does not compile.
 */
import { Command } from 'commander';
import { registerBuildCommands } from './commands';

/** Run the command in `args`; the exit status. */
export async function main(args: string[]): Promise<number> {
  const program = new Command('mkimage').description('link images of the anykernel').showSuggestionAfterError();
  registerBuildCommands(program);
  await program.parseAsync(args, { from: 'user' });
  return Number(process.exitCode ?? 0);
}
