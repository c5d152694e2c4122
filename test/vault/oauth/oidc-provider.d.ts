/** As much of oidc-provider as the tests use: it brings no types. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'
  export interface AdapterPayload {
    readonly grantId?: string
    readonly consumed?: unknown
  }
  interface Saved {
    readonly isValid: boolean
    readonly expiration: number
    save(): Promise<string>
  }
  interface Context {
    readonly oidc: { readonly params?: Readonly<Record<string, unknown>>; readonly client?: unknown }
    body: unknown
  }
  interface Tokens {
    new (properties: object): Saved
    find(value: string): Promise<Saved | undefined>
  }
  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly issuer: string
    readonly AccessToken: Tokens
    readonly ClientCredentials: Tokens
    readonly RefreshToken: Tokens
    readonly Client: { find(id: string): Promise<unknown> }
    readonly Grant: new (properties: object) => { addOIDCScope(scope: string): void; save(): Promise<string> }
    callback(): (...sent: Parameters<RequestListener>) => void
    registerGrantType(name: string, handler: (context: Context) => Promise<void>, parameters: readonly string[]): void
  }
  export const errors: { readonly InvalidGrant: new (why: string) => Error }
}
