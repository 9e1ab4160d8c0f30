import { type ClientOptions, TidingsClient } from "@tidings/client";
import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from "react";

/** The options of a client, or a client that the application has made. */
export type ClientProviderProps = ClientOptions & {
  /** A client of the application, which also stops it. The other options are then not used. */
  client?: TidingsClient;
  children?: ReactNode;
};

/** The client of the nearest provider, for components that may be outside of any. */
export const ClientContext = createContext<TidingsClient | undefined>(undefined);

/** The client of the nearest provider. Throws without one. */
export function useClient(): TidingsClient {
  const client = useContext(ClientContext);
  if (!client)
    throw new Error("Tidings: a hook was called outside of a provider; put <TidingsProvider> around the application");
  return client;
}

/**
 * Provides a client to the hooks below, and starts it in the browser. It is made anew when `user` or `url` changes or a first
 * `token` comes, and stopped with the provider; a token may be replaced at any time.
 */
export function ClientProvider({ client: given, children, ...options }: ClientProviderProps): ReactNode {
  const latest = useRef(options);
  latest.current = options;
  // Without a token a client takes none later: it has a cookie or, in dev mode, no credential.
  const identity = JSON.stringify([options.user, options.url, options.token !== undefined]);
  const make = (): { client: TidingsClient; identity: string; stopped: boolean } => ({
    client: given ?? new TidingsClient(following(latest)),
    identity,
    stopped: false,
  });
  const [own, setOwn] = useState(make);
  if (own.stopped || (given ? own.client !== given : own.identity !== identity)) setOwn(make());
  const { client } = own;
  useEffect(() => {
    client.start();
    if (given) return undefined;
    pendingStops.delete(client);
    return () => {
      // React runs effects twice in strict mode, and again when it shows what was hidden: only a client that stays unused stops.
      pendingStops.add(client);
      setTimeout(() => {
        if (!pendingStops.delete(client)) return;
        client.stop();
        setOwn((current) => (current.client === client ? { ...current, stopped: true } : current));
      });
    };
  }, [client, given]);
  return <ClientContext.Provider value={client}>{children}</ClientContext.Provider>;
}

const pendingStops = new WeakSet<TidingsClient>();

/** The options of a client that asks for the newest token, also if it was given as a text. */
function following(latest: { readonly current: ClientOptions }): ClientOptions {
  const { token, onError, ...others } = latest.current;
  return {
    ...others,
    ...(token === undefined ? {} : { token: () => tokenOf(latest.current.token) }),
    onError: (error) => latest.current.onError?.(error),
  };
}

function tokenOf(token: ClientOptions["token"]): string | Promise<string> {
  return typeof token === "function" ? token() : (token ?? "");
}
