/**
 * The program `rumpwasm` (dist/cli.mjs).
 *
 *      run                      boot an image and stay until it ends     host/cli/run.ts
 *      ps, sysctl, netstat …    ask or change a running instance         host/cli/commands.ts
 *      build, inspect, ls …     the linker's                             tools/mkimage/commands.ts
 *      …                        those of components with an X.cli.ts     gen/host/users.ts
 */
import { main } from './cli/main';

await main(process.argv);
