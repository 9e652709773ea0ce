/**
 * The transform of mkimage for commands that load transforms by path: as-pect (as-pect.asconfig.json)
 * and asc itself (`asc --config "$PWD/asconfig.json"`). as-pect brings a runtime of its own and takes
 * only the names of import modules from it.
 */
import { readFileSync } from 'node:fs';
import { libraryFiles } from 'assemblyscript/asc';
import { rumpTransform } from './transform.mjs';

const runtime = readFileSync(new URL('../../kernel/runtime/nogc.ts', import.meta.url), 'utf8');

export default rumpTransform({ libraryFiles, runtime });
