// What each product's documentation shows first: a bell that opens a list. Keys are made up: only the package is measured,
// its service is never called.
const TOKEN =
  "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJ1c2VyX2V4dGVybmFsX2lkIjoiYm9iIiwiZXhwIjo0MTAyNDQ0ODAwLCJzY29wZSI6InVzZXJfaWQ6Ym9iIn0.c2ln";

/** `widget`: source of a module whose default export is a React component with the bell of the product. */
export const PRODUCTS = {
  Tidings: {
    name: "@tidings/react",
    widget: `
      import { Dropdown, TidingsProvider } from "@tidings/react";
      export default () => <TidingsProvider user="bob"><Dropdown /></TidingsProvider>;`,
    styles: "@tidings/react/styles.css",
  },
  Novu: {
    name: "@novu/react",
    widget: `
      import { Inbox } from "@novu/react";
      export default () => <Inbox applicationIdentifier="compare" subscriber="bob" backendUrl={location.origin} socketUrl={location.origin} />;`,
  },
  Knock: {
    name: "@knocklabs/react",
    widget: `
      import { useRef, useState } from "react";
      import { KnockProvider, KnockFeedProvider, NotificationIconButton, NotificationFeedPopover } from "@knocklabs/react";
      function Menu() {
        const [open, setOpen] = useState(false);
        const button = useRef(null);
        return <>
          <NotificationIconButton ref={button} onClick={() => setOpen(!open)} />
          <NotificationFeedPopover buttonRef={button} isVisible={open} onClose={() => setOpen(false)} />
        </>;
      }
      const user = { id: "bob" };
      export default () => <KnockProvider apiKey="pk_compare" user={user} host={globalThis.location?.origin}>
        <KnockFeedProvider feedId="compare"><Menu /></KnockFeedProvider></KnockProvider>;`,
    styles: "@knocklabs/react/dist/index.css",
  },
  Courier: {
    name: "@trycourier/courier-react",
    widget: `
      import { useEffect } from "react";
      import { CourierInboxPopupMenu, useCourier } from "@trycourier/courier-react";
      export default function Menu() {
        const courier = useCourier();
        useEffect(() => courier.shared.signIn({ userId: "bob", jwt: "${TOKEN}" }), []);
        return <CourierInboxPopupMenu />;
      }`,
  },
  MagicBell: {
    name: "@magicbell/react",
    widget: `
      import Provider from "@magicbell/react/context-provider";
      import FloatingInbox from "@magicbell/react/floating-inbox";
      export default () => <Provider token="${TOKEN}"><FloatingInbox /></Provider>;`,
    styles: "@magicbell/react/styles/floating-inbox.css",
  },
};
