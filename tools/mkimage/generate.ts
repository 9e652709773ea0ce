/**
 * The sources that the linker writes: gen/<IMAGE>/.
 *
 *     gen/<IMAGE>/rump/<role>.ts     export * from "../../components/route/route";
 *     gen/<IMAGE>/rump/tunables.ts   export const NET_NMBCLUSTERS: i32 = 4096;
 *     gen/<IMAGE>/image.ts           rump_init() with the init calls in order; exports
 *
 * asc resolves `import … from "rump/route"` by `--path gen/<IMAGE>` and names that module
 * ~lib/rump/route, two levels below the root; hence the two `..` of a role. Two images, or two builds
 * of one image from the same tree, write the same bytes.
 */
import type { Linked, LinkedCall } from './link';
import { moduleText } from './tree';

/** Relative path → text. */
export type Generated = Map<string, string>;

/** "domain:inet" → "domain_inet", the file name of a role. */
export const roleFile = (role: string): string => role.replace(/[^\w]/g, '_');

export function tunablesSource(tunables: Record<string, number>, from: string): string {
  const lines = Object.entries(tunables).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `/** Tunables of ${from}. Made by mkimage; do not edit. */`,
    ...lines.map(([name, value]) => `export const ${name}: i32 = ${value};`),
    '',
  ].join('\n');
}

/** The modules that `rump/…` stands for, in directory `dir`. */
export function rumpSources(dir: string, from: string, roles: Linked['roles'], tunables: Record<string, number>): Generated {
  const files: Generated = new Map();
  for (const [role, { module, unit }] of roles) {
    const text = `/** Role ${role} of ${from}: ${unit.name}. Made by mkimage; do not edit. */\nexport * from "../../${module}";\n`;
    files.set(`${dir}/rump/${roleFile(role)}.ts`, text);
  }
  files.set(`${dir}/rump/tunables.ts`, tunablesSource(tunables, from));
  return files;
}

/** `call` in rump_init(), with what to do when it fails. */
function callLines({ fn, returnsVoid, unit }: LinkedCall, alias: string): string[] {
  if (returnsVoid) return [`  ${alias}();`];
  return [`  e = ${alias}();`, `  if (e < 0) return kern_boot_failed("${unit}: ${fn}", e);`];
}

/** What the kernel shows to its host: the functions of kernel/kern/exports.ts that are named rump_…. */
function kernelExports(root: string): string[] {
  return [...moduleText(root, 'kernel/kern/exports').matchAll(/^export function (rump_\w+)/gm)].map((match) => match[1]);
}

/** rump_init(): kern_boot(), the calls of all phases, kern_boot_done(). */
function bootSource(root: string, linked: Linked): string[] {
  const imports: string[] = [];
  const body: string[] = [];
  let n = 0;
  for (const { phase, calls } of linked.phases) {
    body.push(`  // ${phase}`);
    for (const call of calls) {
      const alias = `init${n++}_${call.fn}`;
      imports.push(`import { ${call.fn} as ${alias} } from "../../${call.module}";`);
      body.push(...callLines(call, alias));
    }
  }
  return [
    'import { kern_boot, kern_boot_done, kern_boot_failed } from "../../kernel/kern/init";',
    'import { start_main } from "../../kernel/kern/start";',
    ...imports,
    '',
    '/** Boot: 0, or -errno of the call that failed. */',
    'export function rump_init(): i32 {',
    '  let e = kern_boot();',
    '  if (e < 0) return kern_boot_failed("kern: kern_boot", e);',
    ...body,
    '  return kern_boot_done();',
    '}',
    '',
    '/** The image as a WASI command. */',
    'export function _start(): void {',
    '  start_main(rump_init());',
    '}',
    '',
    `export { ${kernelExports(root).join(', ')} } from "../../kernel/kern/exports";`,
  ];
}

/** All that is generated for `linked`. */
export function imageSources(root: string, linked: Linked): Generated {
  const dir = `gen/${linked.name}`;
  const files = rumpSources(dir, linked.name, linked.roles, linked.tunables);
  files.set(`${dir}/image.ts`, [
    `/** Image ${linked.name}: ${linked.description}. Made by mkimage; do not edit. */`,
    'import "../../kernel/kern/panic";',
    ...(linked.bare ? [] : bootSource(root, linked)),
    ...linked.exports.map((unit) => `export * from "../../${unit.exports}";`),
    '',
  ].join('\n'));
  return files;
}
