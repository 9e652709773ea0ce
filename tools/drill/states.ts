/**
 * The scripts of tests/drill/states: one for each cell of state × segment of RFC 9293 §3.10.7.
 *
 *      npm run drill -- --states      writes them; a test sees to it that they are what is written here
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ackValues, acks, type Cell, data, fins, oddities, resets, synAcks, syns } from './statesCells';
import { timeWaitOnly } from './statesTimeWait';
import { callTable } from './statesCalls';
import { closedCells, listenCells, synSentCells } from './statesOpening';
import { closed, listening, orphans, type StateEntry, synchronized, synReceivedActive, synReceivedPassive, synSent } from './statesPrologue';

export const STATES_DIR = 'tests/drill/states';

function scriptText(s: StateEntry, cell: Cell): string {
  const lines = [
    `// ${s.name}: ${cell.title}.`,
    `// ${cell.clause}.`,
    ...s.lines,
    ...(s.word === 'LISTEN' || s.word === 'CLOSED' ? [] : [`+0 %{ assert state == '${s.word}' }%`]),
    '',
    ...cell.lines,
    `+0 %{ assert state == '${cell.after}' }%`,
  ];
  return `${lines.join('\n')}\n`;
}

function cellsOf(s: StateEntry): Cell[] {
  return [...syns(s), ...synAcks(s), ...acks(s), ...ackValues(s), ...fins(s), ...resets(s), ...data(s), ...oddities(s), ...timeWaitOnly(s)];
}

/** All of them: path below STATES_DIR → text. */
export function stateScripts(): Map<string, string> {
  const table: [StateEntry, Cell[]][] = [
    [closed, closedCells()], [listening, listenCells()], [synSent, synSentCells(synSent)],
    ...callTable(),
    ...[synReceivedPassive, synReceivedActive, ...synchronized, ...orphans].map((s): [StateEntry, Cell[]] => [s, cellsOf(s)]),
  ];
  return new Map(table.flatMap(([s, cells]) => cells.map((cell): [string, string] => [`${s.folder}/${cell.file}.pkt`, scriptText(s, cell)])));
}

/** Write them anew. @returns how many */
export function writeStateScripts(root: string): number {
  const dir = join(root, STATES_DIR);
  rmSync(dir, { recursive: true, force: true });
  const scripts = stateScripts();
  for (const [path, text] of scripts) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return scripts.size;
}
