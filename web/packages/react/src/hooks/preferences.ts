import type { Preferences, PreferencesPatch, ResourceView } from "@tidings/client";
import { useCallback } from "react";
import { useClient } from "./client-provider.js";
import { useResource } from "./store.js";

/** The preferences of the user, and how to change them. */
export interface PreferencesState extends ResourceView<Preferences> {
  /** Change some preferences by a JSON merge patch: shown at once; taken back, and rejected, if the server refuses it. */
  update(patch: PreferencesPatch): Promise<void>;
}

/** Which notifications the user wants, by type and channel. */
export function usePreferences(): PreferencesState {
  const client = useClient();
  const state = useResource(client.preferences);
  const update = useCallback((patch: PreferencesPatch) => client.setPreferences(patch), [client]);
  return { ...state, update };
}
