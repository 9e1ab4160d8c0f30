import { type ClientOptions, createCore, type InboxApi } from "./core.js";
import { type ListsApi, listsOf } from "./lists.js";
import { type ResourcesApi, resourcesOf } from "./resources.js";

/** Everything of one user: the inbox, feeds, trends, choices, and the connection that keeps them current. */
export type TidingsClient = InboxApi & ListsApi & ResourcesApi;

export const TidingsClient = class {
  constructor(options: ClientOptions = {}) {
    const core = createCore(options);
    Object.assign(this, core, listsOf(core), resourcesOf(core));
  }
} as new (
  options?: ClientOptions,
) => TidingsClient;
