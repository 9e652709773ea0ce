/**
 * Which errors are the user's to mend, and how they read in one line.
 */
import { LinkError } from '../../tools/mkimage/index';
import { LoadError } from '../api/fsLoad';
import { BootError } from '../boot';
import { ControlError } from '../control/protocol';
import { ImageError } from '../imageFile';
import { SystemError } from '../errtrans';

/** The command line, or something it names, is not right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const mendable = [UsageError, ImageError, LinkError, LoadError, BootError, ControlError, SystemError, RangeError];

/** May this be told without a stack? */
export function isUsersFault(error: unknown): error is Error {
  return mendable.some((kind) => error instanceof kind);
}

/** The message; that of a compile error keeps its lines, because they are the compiler's. */
export function oneLine(error: Error): string {
  return error.message;
}
