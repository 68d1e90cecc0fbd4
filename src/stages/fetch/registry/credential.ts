/** What a person proves their identity with to a registry. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** For a token server: stands for a login, and is exchanged for tokens. */
  | { readonly identityToken: string }
