/** Numbers out of the tables of text that sysctl gives: "name value" lines, or words of net.interfaces. */
import type { Kernel } from '../../host/kernel';

/**
 * The number behind `name` in the value of sysctl `table`.
 * @param name a word, or a regular expression that ends where the number begins
 */
export function counter(kernel: Kernel, table: string, name: string): number {
  const m = new RegExp(`(?:^|\\s)${name} (\\d+)`).exec(String(kernel.sysctl(table)));
  if (!m) throw new Error(`${table} has no ${name}: ${String(kernel.sysctl(table))}`);
  return Number(m[1]);
}
