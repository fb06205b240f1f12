// SPDX-License-Identifier: Apache-2.0
// Every error the page can show: which part it concerns, and which advice (message keys fix.NAME and fix.NAME.staff) tells
// who can fix it. The codes are those of proto/errors.tbl.h and the agent's own; tests/browser compares the lists.

import { ID_PURPOSES } from './purposes.js';

const ERRORS = {
  PIN_WRONG: ['pin', 'pin_wrong'],
  PIN_BLOCKED: ['pin', 'pin_blocked'],

  CARD_REMOVED: ['card', 'put_back'],
  CARD_NOT_MYNUMBER: ['card', 'right_card'],
  CARD_OLD_JUKI: ['card', 'right_card'],
  CARD_PHONE: ['card', 'right_card'],
  CARD_UNREADABLE: ['card', 'put_again'],
  CARD_SEVERAL: ['card', 'one_card'],

  READER_MISSING: ['reader', 'reader_missing'],
  READER_BUSY: ['reader', 'reader_busy'],
  READER_SERVICE_DOWN: ['reader', 'reader_service'],
  READER_STUCK: ['reader', 'reader_stuck'],

  CERT_EXPIRED: ['cert', 'renew'],
  CERT_REVOKED: ['cert', 'office'],
  CERT_NOT_YET_VALID: ['cert', 'office'],
  CERT_MALFORMED: ['cert', 'not_usable'],
  CERT_UNTRUSTED: ['cert', 'not_usable'],
  CERT_PROFILE: ['cert', 'not_usable'],
  SIGNATURE_INVALID: ['cert', 'not_usable'],
  REVOCATION_STALE: ['service', 'stale'],

  NETWORK_DOWN: ['network', 'network'],
  UNAVAILABLE: ['service', 'wait'],
  BUSY: ['service', 'wait'],
  NO_WORKERS: ['service', 'wait'],
  DEADLINE_EXCEEDED: ['service', 'wait'],
  NOT_OWNER: ['service', 'wait'],
  INTERNAL: ['service', 'report'],
  BAD_REQUEST: ['service', 'report'],
  TOO_LARGE: ['service', 'report'],
  UNKNOWN_METHOD: ['service', 'report'],
  NOT_FOUND: ['service', 'report'],
  CONFLICT: ['service', 'report'],
  REASON_INVALID: ['service', 'report'],
  PRESENCE_UNAVAILABLE: ['service', 'report'],

  CANCELLED: ['service', 'again'],
  CHALLENGE_GONE: ['service', 'again'],
  CHALLENGE_EXPIRED: ['service', 'again'],
  CHALLENGE_MISMATCH: ['service', 'again'],
  TICKET_INVALID: ['service', 'again'],
  TICKET_EXPIRED: ['service', 'again'],
  TICKET_CONSUMER: ['service', 'again'],
  TERMS_OUTDATED: ['registration', 'again'],

  NO_MYKEY_ID: ['registration', 'create'],
  ALREADY_HAS_ID: ['registration', 'show'],
  ID_SUSPENDED: ['registration', 'resume'],
  NOT_LINKED: ['registration', 'link'],
  NUMBER_TAKEN: ['registration', 'check_number'],
  NUMBER_INVALID: ['registration', 'check_number'],
  STAFF_REQUIRED: ['registration', 'staff_first'],
  LINK_LOCKED: ['registration', 'tomorrow'],
  SUSPEND_CODE_WRONG: ['registration', 'check_code'],
  SUSPEND_LOCKED: ['registration', 'next_hour'],

  DENIED: ['terminal', 'admin'],
  OPERATOR_UNKNOWN: ['terminal', 'admin'],
  OPERATOR_KIND: ['terminal', 'admin'],
  TERMINAL_UNKNOWN: ['terminal', 'admin'],
  TERMINAL_REVOKED: ['terminal', 'admin'],
  INVITE_INVALID: ['terminal', 'admin'],
  ENROL_PENDING: ['terminal', 'enrol'],
  ROLE_MISMATCH: ['terminal', 'admin'],
  CLOCK_WRONG: ['terminal', 'clock'],
  KEYBOARD_UNAVAILABLE: ['terminal', 'keyboard'],
};

// A counter that is here for MyKey IDs doesn't send the resident to itself.
const HERE = { create: 'create_here', resume: 'resume_here' };

// What the page knows of a code. An unknown one is shown as ours to answer for.
export function describeError(code, purpose = null) {
  const known = Object.hasOwn(ERRORS, code);
  const [part, usual] = known ? ERRORS[code] : ['service', 'report'];
  const special = purpose === 'undo_link' && code === 'NOT_LINKED' ? 'undo_unknown' : ID_PURPOSES.includes(purpose) && HERE[usual];
  return { part, fix: special || usual, key: known ? `error.${code}` : 'error.unknown' };
}

// Where the card can't help just now, staff may enter the number by hand.
export function allowsManual(code) {
  return ['reader', 'network', 'service'].includes(describeError(code).part);
}
