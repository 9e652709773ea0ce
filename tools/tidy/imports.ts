/**
 * Who imports whom: the edges of the module graph, with specifiers resolved to files of the tree.
 *
 * Three kinds of specifier: relative (both worlds), `rump/<role>` (the image's, resolved by the linker
 * through gen/<IMAGE>), and packages (the host's). A role's colon is an underscore in its file name:
 * the role domain:inet is imported as "rump/domain_inet".
 */
import { posix } from 'node:path';
import ts from 'typescript';
import type { Project, SourceFile } from './project';

export interface Import {
  specifier: string;
  line: number;
  /** Path in the tree; null when it is a role, a package, or nothing at all. */
  target: string | null;
  typeOnly: boolean;
}

const SUFFIXES = ['', '.ts', '.mjs', '/index.ts'];

/** @returns the file that a relative specifier or a path names, or null */
export function resolvePath(project: Project, from: string, specifier: string): string | null {
  const base = specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier;
  for (const suffix of SUFFIXES) if (project.has(base + suffix)) return base + suffix;
  return null;
}

function specifierOf(node: ts.Node): { text: string; typeOnly: boolean } | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { text: node.moduleSpecifier.text, typeOnly: node.importClause?.isTypeOnly ?? false };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    return { text: node.moduleSpecifier.text, typeOnly: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    return argument && ts.isStringLiteral(argument) ? { text: argument.text, typeOnly: false } : null;
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return { text: node.argument.literal.text, typeOnly: true };
  }
  return null;
}

/** @returns line of a node, from 1 */
export function lineOf(file: SourceFile, node: ts.Node): number {
  return file.ast.getLineAndCharacterOfPosition(node.getStart(file.ast)).line + 1;
}

/** Call `visit` for every node of a file. */
export function walk(file: SourceFile, visit: (node: ts.Node) => void): void {
  const go = (node: ts.Node): void => {
    visit(node);
    ts.forEachChild(node, go);
  };
  go(file.ast);
}

export function importsOf(project: Project, file: SourceFile): Import[] {
  const found: Import[] = [];
  walk(file, (node) => {
    const specifier = specifierOf(node);
    if (!specifier) return;
    found.push({
      specifier: specifier.text,
      line: lineOf(file, node),
      target: resolvePath(project, file.path, specifier.text),
      typeOnly: specifier.typeOnly,
    });
  });
  return found;
}

/** Every string literal of a file: how tools name the files that they start or compile. */
export function stringsOf(file: SourceFile): { text: string; line: number }[] {
  const found: { text: string; line: number }[] = [];
  walk(file, (node) => {
    if (ts.isStringLiteralLike(node)) found.push({ text: node.text, line: lineOf(file, node) });
  });
  return found;
}
