// What x509.ts takes of node-forge: its ASN.1 alone, which loads in 11 ms and all of forge in 50; its own types know no part
// of it.
declare module 'node-forge/lib/asn1.js' {
  /** One element: `value` is its content as a binary string, or the elements in it. */
  export type Asn1 = {
    readonly tagClass: number
    readonly type: number
    readonly constructed: boolean
    readonly value: string | readonly Asn1[]
  }
  type BinaryBuffer = { getBytes(): string }
  const asn1: {
    create(tagClass: number, type: number, constructed: boolean, value: string | readonly Asn1[]): Asn1
    toDer(element: Asn1): BinaryBuffer
    oidToDer(dotted: string): BinaryBuffer
  }
  export default asn1
}
