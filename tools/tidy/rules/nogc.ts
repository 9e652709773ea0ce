/**
 * No garbage collector in the image: nothing in kernel/ or components/ may allocate behind its back.
 *
 * The compiler proves it for reachable code (its runtime's __new is an error); this rule says it for
 * all code, at the line where it is written: `new`, strings put together, array and object literals
 * at run time, closures. Exceptions do not exist either: `throw` is a trap without a message.
 * Outside functions only constants may stand, because an image has no start function.
 */
import ts from 'typescript';
import { lineOf } from '../imports';
import type { Finding, Rule } from '../finding';
import type { SourceFile } from '../project';

/** Calls that the compiler evaluates, or that only relabel a value: allowed in a module's constants. */
const CONSTANT_CALLS = new Set([
  'changetype', 'offsetof', 'sizeof', 'alignof', 'idof', 'memory.data', 'select', 'bswap',
  'i8', 'i16', 'i32', 'i64', 'u8', 'u16', 'u32', 'u64', 'f32', 'f64', 'isize', 'usize', 'bool',
]);

function isString(node: ts.Expression): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

/** A literal that becomes static data: of a module constant, or the argument of memory.data. */
function isStaticData(file: SourceFile, node: ts.Node): boolean {
  const parent = node.parent;
  if (ts.isCallExpression(parent)) return parent.expression.getText(file.ast) === 'memory.data';
  if (ts.isArrayLiteralExpression(parent)) return isStaticData(file, parent);
  return ts.isVariableDeclaration(parent) && ts.isSourceFile(parent.parent.parent.parent) && /^StaticArray</.test(parent.type?.getText(file.ast) ?? '');
}

/** @returns what is wrong with a node, or "" */
function complaint(file: SourceFile, node: ts.Node): string {
  if (ts.isNewExpression(node)) return '`new` allocates: take it from a pool, or from the arena at boot';
  if (ts.isTemplateExpression(node)) return 'a template string is put together at run time: use log_str and its kin';
  if (ts.isArrayLiteralExpression(node) && !isStaticData(file, node)) return 'an array literal allocates: use memory.data or a StaticArray constant';
  if (ts.isObjectLiteralExpression(node)) return 'an object literal allocates';
  if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) return 'a function inside an expression: name it at the top level';
  if (ts.isThrowStatement(node)) return '`throw` is a trap without a message: return -errno, or panic';
  if (ts.isTryStatement(node)) return 'there are no exceptions to catch';
  if (ts.isSpreadElement(node)) return 'a spread allocates';
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken;
    const joins = kind === ts.SyntaxKind.PlusToken || kind === ts.SyntaxKind.PlusEqualsToken;
    if (joins && (isString(node.left) || isString(node.right))) return 'strings are joined at run time: use log_str and its kin';
  }
  return '';
}

/** Calls in the initialiser of a module's variable that would need a start function. */
function initialiserCalls(file: SourceFile, statement: ts.VariableStatement): ts.Node[] {
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && !CONSTANT_CALLS.has(node.expression.getText(file.ast))) found.push(node);
    ts.forEachChild(node, visit);
  };
  for (const declaration of statement.declarationList.declarations) if (declaration.initializer) visit(declaration.initializer);
  return found;
}

function checkFile(file: SourceFile): Finding[] {
  const found: Finding[] = [];
  const say = (node: ts.Node, message: string): void => { found.push({ file: file.path, line: lineOf(file, node), rule: 'nogc', message }); };
  const visit = (node: ts.Node): void => {
    const message = complaint(file, node);
    if (message !== '') say(node, message);
    if (message === '' || !ts.isBinaryExpression(node)) ts.forEachChild(node, visit);
  };
  for (const statement of file.ast.statements) {
    visit(statement);
    if (!ts.isVariableStatement(statement)) continue;
    for (const call of initialiserCalls(file, statement)) say(call, 'a call at module level needs a start function: do it in the init phase');
  }
  return found;
}

export const nogc: Rule = {
  name: 'nogc',
  about: 'the image allocates only from arena and pools, and never throws',
  check: (project) => project.ofKind('as').filter((file) => !file.path.startsWith('kernel/runtime/')).flatMap(checkFile),
};
