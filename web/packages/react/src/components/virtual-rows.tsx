import {
  defaultRangeExtractor,
  type Range,
  useVirtualizer,
  useWindowVirtualizer,
  type Virtualizer,
} from "@tanstack/react-virtual";
import { type ReactNode, type Ref, type RefObject, useCallback, useLayoutEffect, useRef } from "react";
import type { RowsProps } from "./rows.js";

/** Pixels of a row before it is measured. */
const ESTIMATED_PX = 88;
/** Rows beyond each edge of what is seen. */
const OVERSCAN = 8;

/** The rows of a long list that can be seen. Positions are set by script, which a strict content security policy allows. */
export function VirtualRows<T>(props: RowsProps<T>): ReactNode {
  return props.scroller ? <InElement {...props} scroller={props.scroller} /> : <InPage {...props} />;
}

type Own<T> = RowsProps<T>;

function useCommon<T>({ items, keyOf, active }: Own<T>): {
  count: number;
  estimateSize: () => number;
  overscan: number;
  getItemKey: (at: number) => string | number;
  rangeExtractor: (range: Range) => number[];
} {
  const focused = items.findIndex((item) => keyOf(item) === active);
  return {
    count: items.length,
    estimateSize: () => ESTIMATED_PX,
    overscan: OVERSCAN,
    getItemKey: useCallback((at: number) => (items[at] === undefined ? at : keyOf(items[at])), [items, keyOf]),
    rangeExtractor: useCallback(
      (range: Range) => {
        const shown = defaultRangeExtractor(range);
        return focused < 0 || shown.includes(focused) ? shown : [...shown, focused].sort((a, b) => a - b);
      },
      [focused],
    ),
  };
}

function InElement<T>(props: Own<T> & { scroller: RefObject<HTMLElement | null> }): ReactNode {
  const virtualizer = useVirtualizer({ ...useCommon(props), getScrollElement: () => props.scroller.current });
  return <Positioned {...props} virtualizer={virtualizer} offset={0} holder={useRef<HTMLDivElement>(null)} />;
}

function InPage<T>(props: Own<T>): ReactNode {
  const holder = useRef<HTMLDivElement>(null);
  const offset = holder.current ? holder.current.getBoundingClientRect().top + window.scrollY : 0;
  const virtualizer = useWindowVirtualizer({ ...useCommon(props), scrollMargin: offset });
  return <Positioned {...props} virtualizer={virtualizer} offset={offset} holder={holder} />;
}

function Positioned<T, S extends Element | Window>(
  props: Own<T> & { virtualizer: Virtualizer<S, Element>; offset: number; holder: Ref<HTMLDivElement> },
): ReactNode {
  const { items, row, virtualizer, offset, holder } = props;
  useAnchor(props);
  return (
    <div ref={holder} role="none" className="tidings-rows__all" style={{ height: virtualizer.getTotalSize() }}>
      {virtualizer.getVirtualItems().map(({ key, index, start }) => {
        const item = items[index];
        return (
          <div
            key={key}
            ref={virtualizer.measureElement}
            data-index={index}
            role="none"
            className="tidings-rows__row tidings-rows__row--placed"
            style={{ transform: `translateY(${start - offset}px)` }}
          >
            {item !== undefined && row(item, index)}
          </div>
        );
      })}
    </div>
  );
}

/** Keep what the user reads in its place when rows are added above it: browsers do so for rows in the flow only. */
function useAnchor<T, S extends Element | Window>({
  items,
  keyOf,
  virtualizer,
}: Own<T> & { virtualizer: Virtualizer<S, Element> }): void {
  const first = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const before = first.current;
    first.current = items[0] && keyOf(items[0]);
    const moved = before === undefined ? 0 : items.findIndex((item) => keyOf(item) === before);
    const offset = virtualizer.scrollOffset ?? 0;
    if (moved > 0 && offset > ESTIMATED_PX) virtualizer.scrollToOffset(offset + moved * ESTIMATED_PX);
  }, [items, keyOf, virtualizer]);
}
