/**
 * What tools/run.mjs hands to the main function of a tool.
 *
 * The tools are TypeScript and the code that prepares the tree is plain JavaScript (it runs before
 * TypeScript is installed). This interface is the whole of what one knows of the other.
 */
export interface ToolContext {
  /** Absolute path of the repository. */
  root: string;
  /** Bring dist/ up to date; rejects with the compiler's findings. */
  prepareHost(): Promise<string>;
  /** Bundle tools/NAME/main.ts (or main of another folder) and say where it went. */
  bundleTool(name: string): Promise<string>;
  /** Bundle test or benchmark files under one stamp: source (relative to root) → module (absolute). */
  bundleTests(stamp: string, sources: string[]): Promise<Map<string, string>>;
}

/** The type of `main` in tools/NAME/main.ts; resolves to the exit status. */
export type ToolMain = (args: string[], context: ToolContext) => Promise<number>;
