/**
 * The functions of a file: name, extent, and what kind of thing they are. Used by the rules on length
 * and naming and by the ratchet.
 *
 * The callback of describe() is a heading, not a function to be understood as a whole, so it has no
 * length of its own; what stands in it is measured. The same goes for a function that is nothing but a
 * list of tests, with what they share declared before them.
 */
import ts from 'typescript';
import type { SourceFile } from './project';

export interface FunctionInfo {
  /** "" for one without a name of its own. */
  name: string;
  line: number;
  /** Lines from the first of the signature to the closing brace. */
  length: number;
  /** A declaration, a method or a function bound to a constant: what has to be named by the rules. */
  form: 'declaration' | 'method' | 'constant' | 'other';
}

const HEADINGS = new Set(['describe', 'suite']);
const TESTS = new Set([...HEADINGS, 'test', 'it', 'before', 'after', 'beforeEach', 'afterEach', 'beforeAll', 'afterAll']);

/** @returns the name that is called, `it` in it.skip(…) too; "" for other expressions */
function calleeName(call: ts.Node | undefined): string {
  if (!call || !ts.isCallExpression(call)) return '';
  const name = ts.isPropertyAccessExpression(call.expression) ? call.expression.expression : call.expression;
  return ts.isIdentifier(name) ? name.text : '';
}

/** A body of nothing but tests, and declarations that they share. */
function isListOfTests(body: ts.Node | undefined): boolean {
  if (!body || !ts.isBlock(body)) return false;
  const isTest = (statement: ts.Statement): boolean => ts.isExpressionStatement(statement) && TESTS.has(calleeName(statement.expression));
  return body.statements.some(isTest)
    && body.statements.every((statement) => isTest(statement) || ts.isVariableStatement(statement) || ts.isFunctionDeclaration(statement));
}

function isHeading(node: ts.FunctionLikeDeclaration): boolean {
  const called = node.parent && ts.isCallExpression(node.parent) && node.parent.expression !== node;
  return (called && HEADINGS.has(calleeName(node.parent))) || isListOfTests(node.body);
}

function formOf(node: ts.FunctionLikeDeclaration): { name: string; form: FunctionInfo['form'] } {
  if (ts.isFunctionDeclaration(node)) return { name: node.name?.text ?? '', form: 'declaration' };
  const inClass = ts.isClassLike(node.parent);
  if ((ts.isMethodDeclaration(node) || ts.isAccessor(node)) && inClass && (ts.isIdentifier(node.name) || ts.isPrivateIdentifier(node.name))) {
    return { name: node.name.text.replace(/^#/, ''), form: 'method' };
  }
  if (ts.isVariableDeclaration(node.parent) && ts.isIdentifier(node.parent.name)) return { name: node.parent.name.text, form: 'constant' };
  return { name: '', form: 'other' };
}

export function functionsOf(file: SourceFile): FunctionInfo[] {
  const found: FunctionInfo[] = [];
  const lineAt = (position: number): number => file.ast.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body && !isHeading(node as ts.FunctionLikeDeclaration)) {
      const first = lineAt(node.getStart(file.ast));
      found.push({ ...formOf(node as ts.FunctionLikeDeclaration), line: first, length: lineAt(node.end) - first + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(file.ast);
  return found;
}
