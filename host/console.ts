/**
 * The console and the kernel log.
 *
 * Two streams leave an image: raw console bytes (WASI fd_write on 1 and 2: access logs, an app's
 * output) and log records with a level (hyp_log). Records up to `logLevel` go to the log sink at
 * once, one line each, from inside a hypercall: that sink must not call the kernel. Console bytes are
 * collected and go to the console sink after the run, in one piece: a server that logs every request
 * would otherwise spend a third of its time in write(2).
 *
 * Cost: one decode a record; one copy for console bytes.
 */
import {
  LOG_ALERT, LOG_CRIT, LOG_DEBUG, LOG_EMERG, LOG_ERR, LOG_INFO, LOG_NOTICE, LOG_WARNING,
} from '../kernel/abi/rump';

/** Names of the levels as syslog.conf(5) has them, by number. */
export const logLevelNames: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];

/** Where log records go. @param level LOG_*; `line` has no newline. */
export type LogSink = (level: number, line: string) => void;

/** Where console bytes go; the bytes are the sink's to keep. */
export type ConsoleSink = (bytes: Uint8Array) => void;

export interface ConsoleOptions {
  /** Highest level shown: a number LOG_* or a name ('debug'); default LOG_NOTICE. */
  logLevel?: number | string;
  /** Default: a line on stderr. */
  log?: LogSink;
  /** Default: the process's stdout. */
  console?: ConsoleSink;
}

/**
 * A log level from a number or a name of syslog.conf(5).
 * @throws RangeError for anything else
 */
export function parseLogLevel(level: number | string): number {
  const aliases: Record<string, number> = {
    emerg: LOG_EMERG, panic: LOG_EMERG, alert: LOG_ALERT, crit: LOG_CRIT, err: LOG_ERR, error: LOG_ERR,
    warning: LOG_WARNING, warn: LOG_WARNING, notice: LOG_NOTICE, info: LOG_INFO, debug: LOG_DEBUG,
  };
  const value = typeof level === 'number' ? level : /^[0-7]$/.test(level) ? Number(level) : aliases[level.toLowerCase()];
  if (value === undefined || !Number.isInteger(value) || value < LOG_EMERG || value > LOG_DEBUG) {
    throw new RangeError(`no such log level: ${level} (one of ${logLevelNames.join(', ')})`);
  }
  return value;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
/** Console bytes kept back at most. */
const keptMax = 65536;

export class KernelConsole {
  /** Highest level shown. */
  level: number;
  /** The first record of level err or worse: the best guess at why something failed. */
  firstComplaint: string | null = null;
  /** True when console bytes go to the process's own stdout. */
  readonly usesStdout: boolean;
  private readonly logSink: LogSink;
  private readonly consoleSink: ConsoleSink;
  private kept = new Uint8Array(1024);
  private keptLength = 0;

  constructor(options: ConsoleOptions = {}) {
    this.level = parseLogLevel(options.logLevel ?? LOG_NOTICE);
    this.logSink = options.log ?? ((level, line) => { process.stderr.write(`${logLevelNames[level]} ${line}\n`); });
    this.usesStdout = options.console === undefined;
    this.consoleSink = options.console ?? ((bytes) => { process.stdout.write(bytes); });
  }

  /** One record, if its level is shown. */
  log(level: number, line: string): void {
    if (level <= LOG_ERR) this.firstComplaint ??= line;
    if (level <= this.level) this.logSink(level, line);
  }

  /** One record as bytes of linear memory. */
  logBytes(level: number, bytes: Uint8Array): void {
    if (level <= this.level || level <= LOG_ERR) this.log(level, decoder.decode(bytes));
  }

  /** Console bytes; `bytes` may be a view of linear memory. They come out by flush(). */
  write(bytes: Uint8Array): void {
    if (this.keptLength + bytes.length > keptMax) this.flush();
    if (bytes.length > keptMax) {
      this.consoleSink(bytes.slice());
      return;
    }
    while (this.keptLength + bytes.length > this.kept.length) this.grow();
    this.kept.set(bytes, this.keptLength);
    this.keptLength += bytes.length;
  }

  /** Hand on what was written. */
  flush(): void {
    if (this.keptLength === 0) return;
    const bytes = this.kept.slice(0, this.keptLength);
    this.keptLength = 0;
    this.consoleSink(bytes);
  }

  private grow(): void {
    const larger = new Uint8Array(this.kept.length * 2);
    larger.set(this.kept);
    this.kept = larger;
  }
}
