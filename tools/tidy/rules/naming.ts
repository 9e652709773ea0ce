/**
 * Names: BSD's in the image (snake_case functions, PascalCase classes, UPPER_CASE constants and
 * macros), JavaScript's in the host (camelCase functions and methods).
 *
 * An underscore at the end keeps a name clear of a global one (console_), one before a method is how
 * Node's streams name what a subclass provides (_read). Members of object literals are not looked at:
 * import objects bear the image's names. A function of the host may bear the name of a hypercall that
 * it is.
 */
import ts from 'typescript';
import { functionsOf } from '../functions';
import { lineOf, walk } from '../imports';
import type { Finding, Rule } from '../finding';
import type { Project, SourceFile } from '../project';

const SNAKE = /^_{0,2}[a-z0-9]+(?:_[a-z0-9]+)*_?$/;
const UPPER = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/;
const CAMEL = /^[a-z$][a-zA-Z0-9$]*_?$/;
const PASCAL = /^[A-Z][A-Za-z0-9]*$/;

function classNames(file: SourceFile): Finding[] {
  const found: Finding[] = [];
  walk(file, (node) => {
    if (!ts.isClassDeclaration(node) || !node.name || PASCAL.test(node.name.text)) return;
    found.push({ file: file.path, line: lineOf(file, node), rule: 'naming', message: `class ${node.name.text} should be in PascalCase` });
  });
  return found;
}

/** Names that *.hyper.ts files declare. */
function hypercallNames(project: Project): Set<string> {
  const files = project.ofKind('as').filter((file) => file.path.endsWith('hyper.ts'));
  return new Set(files.flatMap((file) => file.ast.statements.filter(ts.isFunctionDeclaration).map((node) => node.name?.text ?? '')));
}

function functionNames(file: SourceFile, hypercalls: Set<string>): Finding[] {
  const image = file.kind === 'as' || file.kind === 'spec';
  return functionsOf(file).flatMap(({ name, line, form }) => {
    if (name === '' || form === 'other' || (!image && hypercalls.has(name))) return [];
    const good = image ? SNAKE.test(name) || UPPER.test(name) : CAMEL.test(form === 'method' ? name.replace(/^_/, '') : name);
    if (good) return [];
    return [{ file: file.path, line, rule: 'naming', message: `${name} should be in ${image ? 'snake_case' : 'camelCase'}` }];
  });
}

export const naming: Rule = {
  name: 'naming',
  about: 'snake_case in the image, camelCase in the host',
  check(project) {
    const hypercalls = hypercallNames(project);
    return project.ofKind('as', 'spec', 'ts', 'js').flatMap((file) => [...functionNames(file, hypercalls), ...classNames(file)]);
  },
};
