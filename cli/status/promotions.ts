import { isInstanceId } from "../../assets/lambda/shared/instance-id";

export interface Promotion {
  readonly instanceId: string;
  readonly at: Date;
}

/** Each version of `instance-id` that names another server than the one before. */
export function promotionsOf(versions: readonly { readonly value: string; readonly at: Date }[]): Promotion[] {
  const named = versions.filter(({ value }) => isInstanceId(value));
  return named
    .filter(({ value }, index) => value !== named[index - 1]?.value)
    .map(({ value, at }) => ({ instanceId: value, at }));
}
