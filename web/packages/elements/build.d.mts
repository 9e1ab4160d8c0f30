import type { BuildOptions } from "esbuild";

export declare const OPTIONS: BuildOptions;
export declare function buildElements(folder: string): Promise<void>;
