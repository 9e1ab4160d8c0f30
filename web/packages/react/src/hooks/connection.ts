import type { ConnectionState } from "@tidings/client";
import { useClient } from "./client-provider.js";
import { useStore } from "./store.js";

const STOPPED: ConnectionState = { status: "stopped" };

/** The state of the connection to the server. */
export function useConnection(): ConnectionState {
  return useStore(useClient().connectionState, STOPPED);
}
