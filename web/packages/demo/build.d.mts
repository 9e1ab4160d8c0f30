export declare const COMMITTED: string;
export declare function buildDemo(folder: string): Promise<void>;
export declare function filesOf(folder: string): Promise<Map<string, Buffer>>;
