/**
 * The answers of disk commands, from text to values (kernel/dev/diskctl.ts writes them).
 *
 *      list    name=rd0 unit=0 size=8388608 blksize=4096 locked=0 open=1     a line each
 *      stat    orig_data_size 4096                                          a line each
 */

/** A line of the list. */
export interface DiskInfo {
  name: string;
  unit: number;
  size: number;
  blksize: number;
  locked: boolean;
  open: number;
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean);

/** @param text the answer of "list" */
export function parseList(text: string): DiskInfo[] {
  return lines(text).map((line) => {
    const fields = new Map(line.split(' ').map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
    const number = (key: string): number => Number(fields.get(key) ?? 0);
    return {
      name: fields.get('name') ?? '', unit: number('unit'), size: number('size'), blksize: number('blksize'),
      locked: number('locked') !== 0, open: number('open'),
    };
  });
}

/** @param text lines of "name value"; numbers become numbers */
export function parseTable(text: string): Record<string, number | string> {
  return Object.fromEntries(lines(text).map((line) => {
    const space = line.indexOf(' ');
    const value = line.slice(space + 1);
    return [line.slice(0, space), /^\d+$/.test(value) ? Number(value) : value];
  }));
}
