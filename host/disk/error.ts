/** What is wrong with a disk's file, or with what is wanted of it: one line, for people. */
import { ControlError } from '../control/protocol';

export class DiskFileError extends ControlError {}

/** `error` of the host's file system as one of ours, naming the file. */
export function fileError(error: unknown, what: string, path: string): DiskFileError {
  if (error instanceof DiskFileError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return new DiskFileError(code, `cannot ${what} ${path}: ${message.replace(/^[A-Z0-9]+: /, '').replace(/, \w+( '.*')?$/, '')}`);
}
