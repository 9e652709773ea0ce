/**
 * Hypercall privileges (design rule 3): the import section of an image is its list of privileges, so
 * only the files that are named for it may declare imports: kernel/kern/hyper.ts and *.hyper.ts.
 *
 * Their functions take and give i32 and f64 only: an i64 crosses into JavaScript as a BigInt, which
 * costs half as much again per call and an allocation. WASI's signatures are WASI's, so wasi.hyper.ts
 * may have them.
 */
import ts from 'typescript';
import { lineOf, walk } from '../imports';
import type { Finding, Rule } from '../finding';
import type { SourceFile } from '../project';

function isHyperFile(path: string): boolean {
  return path === 'kernel/kern/hyper.ts' || path.endsWith('.hyper.ts');
}

function isDeclare(node: ts.Node): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((m) => m.kind === ts.SyntaxKind.DeclareKeyword);
}

function hasExternal(file: SourceFile, node: ts.Node): boolean {
  // On a function, which TypeScript does not let be decorated, decorators are found by their text.
  return ts.isFunctionDeclaration(node) && /^\s*@external\b/m.test(file.text.slice(node.pos, node.name?.pos ?? node.end));
}

function wideTypes(file: SourceFile, node: ts.FunctionDeclaration): string[] {
  const types = [...node.parameters.map((p) => p.type), node.type];
  return types.filter((type) => type !== undefined).map((type) => type.getText(file.ast)).filter((text) => /^[iu]64$/.test(text));
}

function checkFile(file: SourceFile): Finding[] {
  const found: Finding[] = [];
  const privileged = isHyperFile(file.path);
  walk(file, (node) => {
    if (!ts.isFunctionDeclaration(node) || !(isDeclare(node) || hasExternal(file, node))) return;
    const name = node.name?.text ?? '';
    const say = (message: string): void => { found.push({ file: file.path, line: lineOf(file, node), rule: 'hyper', message }); };
    if (!privileged) say(`${name} is an import of the image; only kern/hyper.ts and *.hyper.ts may declare one`);
    else if (!file.path.endsWith('/wasi.hyper.ts')) for (const type of wideTypes(file, node)) say(`${name} uses ${type}, which crosses as a BigInt: split it or use f64`);
  });
  return found;
}

export const hyper: Rule = {
  name: 'hyper',
  about: 'imports of the image are declared in *.hyper.ts only, without i64',
  check: (project) => project.ofKind('as').flatMap(checkFile),
};
