interface Props<T extends string | number> {
  label: string;
  name: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}

/** One of a few: radio buttons in a row, so that arrow keys and readers know them. */
export function Choice<T extends string | number>({ label, name, value, options, onChange }: Props<T>) {
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      {options.map(([v, text]) => (
        <label key={v}>
          <input type="radio" name={name} value={v} checked={v === value} onChange={() => onChange(v)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
