import { splitName } from '../format';

/** A domain name in one line: a long one is cut before its last labels. */
export function Name({ name }: { name: string }) {
  const [head, tail] = splitName(name);
  return (
    <span class="name" dir="ltr" title={name}>
      <span class="cut">{head}</span>
      {tail && <span class="tail">{tail}</span>}
    </span>
  );
}
