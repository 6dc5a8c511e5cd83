import { isRefusal } from '../errors.ts'
import { toHex } from '../ids.ts'
import { children, content, type Element, expect, malformed, onlyElement, readDer, TAG } from './der.ts'
import { readOid } from './der-value.ts'

const COMMON_NAME = '2.5.4.3'

/**
 * A Name that is one (RFC 5280 §4.1.2.4), raw: names are compared byte by byte.
 * @throws inside `readDer` only
 */
export const readName = (item: Element | undefined): Uint8Array => {
  for (const relative of children(item, TAG.sequence)) {
    const attributes = children(relative, TAG.set)
    if (attributes.length === 0) malformed('a part of a name is empty')
    checkOrder(attributes)
    for (const attribute of attributes) {
      const [type, value] = children(attribute, TAG.sequence, 2)
      readOid(type)
      checkText(value)
    }
  }
  return expect(item, TAG.sequence).der
}

/** A Name with no part in it. */
export const isEmptyName = (name: Uint8Array): boolean => name.byteLength === 2

/** @returns null when the Name is anything but one common name in UTF-8 */
export const readCommonName = (name: Uint8Array): string | null => {
  const text = readDer(name, 'certificate-malformed', (root) => {
    const [relative] = children(root, TAG.sequence, 1)
    const [attribute] = children(relative, TAG.set, 1)
    const [type, value] = children(attribute, TAG.sequence, 2)
    return readOid(type) === COMMON_NAME ? UTF8.decode(content(value, TAG.utf8)) : malformed('not a common name')
  })
  return isRefusal(text) ? null : text
}

/**
 * GeneralNames, at least one (RFC 5280 §4.2.1.6), each of a form that can be read: no X.400, no EDI.
 * @throws inside `readDer` only
 */
export const checkGeneralNames = (names: readonly Element[]): void => {
  if (names.length === 0) malformed('a list of no names')
  for (const name of names) checkGeneralName(name)
}

/** @throws inside `readDer` only */
export const checkGeneralName = (item: Element | undefined): void => {
  const name = item ?? malformed('a name is missing')
  const { tag, body } = name
  switch (tag) {
    case TAG.explicit(0): {
      const [type, value] = children(name, TAG.explicit(0), 2)
      readOid(type)
      children(value, TAG.explicit(0), 1)
      return
    }
    case TAG.implicit(2):
      if (!DNS_NAME.test(Buffer.from(body).toString('latin1'))) malformed('not a DNS name')
      return
    case TAG.implicit(1): // mail
    case TAG.implicit(6): // URI
      // A NUL would end the name early for whoever reads it as C does.
      if (body.byteLength === 0 || body.some((byte) => byte === 0 || byte > 0x7f)) malformed('not a plain name')
      return
    case TAG.explicit(4):
      readName(onlyElement(body))
      return
    case TAG.implicit(7):
      if (body.byteLength !== 4 && body.byteLength !== 16) malformed('not an IP address')
      return
    case TAG.implicit(8):
      readOid({ ...name, tag: TAG.oid })
      return
    default:
      malformed('a name of another form')
  }
}

// RFC 5280 §4.2.1.6: as RFC 1034 §3.5 and RFC 1123 §2.1 have it, where the last label is no number; a wildcard may lead.
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const DNS_NAME = new RegExp(`^(?=.{1,255}$)(?:\\*\\.)?(?:${LABEL}\\.)*(?!\\d+$)${LABEL}$`, 'i')

// X.690 §11.6: the elements of a SET OF stand in ascending order.
const checkOrder = (items: readonly Element[]): void => {
  for (const [at, item] of items.entries()) {
    const before = items[at - 1]
    if (before !== undefined && Buffer.compare(before.der, item.der) >= 0) malformed('a set is not in order')
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
// X.680 §41.4.
const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]+$/

/** RFC 5280 §4.1.2.4: PrintableString or UTF8String; IA5String for mail addresses and domain components. */
const checkText = (value: Element | undefined): void => {
  const { tag, body } = value ?? malformed('a name has no value')
  const text = tag === TAG.utf8 ? UTF8.decode(body) : Buffer.from(body).toString('latin1')
  const good =
    (tag === TAG.utf8 && text !== '') ||
    (tag === TAG.printable && PRINTABLE.test(text)) ||
    (tag === TAG.ia5 && body.byteLength > 0 && body.every((byte) => byte < 0x80))
  if (!good) malformed(`a name has a value that is no text: ${toHex(body.subarray(0, 16))}`)
}
