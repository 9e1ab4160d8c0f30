import { type ClientOptions, createCore, type InboxApi } from "./core.js";

/** The inbox of one user alone, and the connection that keeps it current. `listsOf` and `resourcesOf` add the rest. */
export type InboxClient = InboxApi;

export const InboxClient = class {
  constructor(options: ClientOptions = {}) {
    Object.assign(this, createCore(options));
  }
} as new (
  options?: ClientOptions,
) => InboxClient;

export type { ArrivalListener, ClientOptions } from "./core.js";
export { RequestError } from "./problem.js";
