import { type ComponentType, lazy, type ReactNode, type RefObject, Suspense } from "react";

export interface RowsProps<T> {
  readonly items: readonly T[];
  keyOf(item: T): string;
  /** A row; `at` counts from 0. */
  row(item: T, at: number): ReactNode;
  /** The element that scrolls; undefined: the page. */
  readonly scroller: RefObject<HTMLElement | null> | undefined;
  /** The key of the row that has the focus: it stays in the page. */
  readonly active: string | undefined;
}

/** Rows up to which all are in the page; of a longer list, only those that can be seen. */
const MOST_PLAIN = 100;

// Loaded when a list is long: most pages never need it.
const VirtualRows = lazy(async () => ({
  default: (await import("./virtual-rows.js")).VirtualRows as ComponentType<RowsProps<never>>,
}));

/** The rows of a list. */
export function Rows<T>(props: RowsProps<T>): ReactNode {
  if (props.items.length <= MOST_PLAIN) return <PlainRows {...props} />;
  const plain = <PlainRows {...props} items={props.items.slice(0, MOST_PLAIN)} />;
  return (
    <Suspense fallback={plain}>
      <VirtualRows {...(props as unknown as RowsProps<never>)} />
    </Suspense>
  );
}

function PlainRows<T>({ items, keyOf, row }: RowsProps<T>): ReactNode {
  return items.map((item, at) => (
    <div key={keyOf(item)} role="none" className="tidings-rows__row">
      {row(item, at)}
    </div>
  ));
}
