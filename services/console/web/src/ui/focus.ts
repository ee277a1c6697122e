import { useEffect, useRef } from 'preact/hooks';

/** Has a field in which one would type next take the focus when it appears: the attribute autofocus works once in the life of a page. */
export function useFocus<T extends HTMLInputElement | HTMLTextAreaElement>(wanted = true) {
  const ref = useRef<T>(null);
  useEffect(() => {
    const field = ref.current;
    if (!wanted || !field) return;
    field.focus();
    if (field instanceof HTMLInputElement) field.setSelectionRange(field.value.length, field.value.length);
  }, [wanted]);
  return ref;
}
