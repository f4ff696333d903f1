#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the manual page of D-Bus interfaces from their introspection XML and the doc comments in it.

usage: generate-man.py VERSION INPUT.xml OUTPUT

The page follows the order of the file. What lacks its documentation is an error.
"""
import os
import re
import sys
import textwrap
import xml.etree.ElementTree as ET

DOCUMENTED = ('interface', 'method', 'signal', 'property')
EMITS = 'org.freedesktop.DBus.Property.EmitsChangedSignal'
NOTES = {'true': '', 'const': ' (constant)', 'invalidates': ' (changes announced without the value)',
         'false': ' (changes not announced)'}
LITERAL = {'-': r'\-', "'": r'\(aq', '"': r'\(dq', '`': r'\(ga', '^': r'\(ha', '~': r'\(ti'}


class Bad(Exception):
    pass


def escape(text, literal=True):
    """Literal text keeps its ASCII, to be copied; prose has hyphens. No line is taken for a request."""
    special = {'\\': r'\e', '"': r'\(dq', **(LITERAL if literal else {})}
    text = ''.join(special.get(c, c) if c < '\x7f' else r'\[u%04X]' % ord(c) for c in text)
    return re.sub(r"^(?=[.'])", r'\\&', text, flags=re.M)


def bold(text):
    return r'\fB%s\fR' % escape(text)


def inline(text):
    """One line of prose; `code`, and name of name(5), is bold."""
    out, end, text = '', 0, ' '.join(text.split())
    for m in re.finditer(r'`([^`]+)`|([\w.]+)(?=\(\d\))', text):
        out += escape(text[end:m.start()], False) + bold(m[1] or m[2])
        end = m.end()
    return out + escape(text[end:], False)


def blocks(text):
    """Paragraphs, lists ("- term: text") and code (indented by four)."""
    out = []
    for block in filter(None, re.split(r'\n(?:[ \t]*\n)+', text.strip('\n'))):
        if block.startswith('    '):
            out += ['.PP', '.RS 4', '.EX', escape(textwrap.dedent(block)), '.EE', '.RE']
        elif block.startswith('- '):
            out.append('.RS 4')
            for item in re.split(r'^- ', block, flags=re.M)[1:]:
                term, colon, meaning = item.partition(': ')
                if not colon:
                    raise Bad('a list item has no ": ": %s' % item.strip())
                out += ['.TP', inline(term), inline(meaning)]
            out.append('.RE')
        else:
            out += ['.PP', inline(block)]
    return out


def parse(comment):
    """A doc comment is a line "symbol:", lines "@name: text", an empty line, a body. Others give None."""
    doc = re.fullmatch(r'([\w. ]+):\n(.*)', textwrap.dedent(comment.strip('\n')), re.S)
    if not doc:
        return None
    rest = re.fullmatch(r'((?:@\w+: .+\n)*)[ \t]*\n((?s:.+))', doc[2])
    if not rest:
        raise Bad('the comment of "%s" is not lines "@name: text", an empty line, a text' % doc[1])
    return doc[1], dict(re.findall(r'^@(\w+): (.+)$', rest[1], re.M)), rest[2]


def children(parent):
    """The documented child elements with the comment before each; sections, which stand alone, with None."""
    doc = None
    for child in parent:
        if doc and child.tag not in DOCUMENTED:
            break
        doc, before = (parse(child.text), None) if child.tag is ET.Comment else (None, doc)
        if doc and doc[0].startswith('section '):
            yield None, doc
            doc = None
        elif child.tag in DOCUMENTED:
            yield child, before
    if doc:
        raise Bad('nothing follows the comment of "%s"' % doc[0])


def check(element, doc, where, names):
    if not doc or doc[0] != element.get('name') or not doc[2].strip():
        raise Bad('%s has no documentation' % where)
    if list(doc[1]) != names:
        raise Bad('%s has the arguments %s, and documentation for %s' % (where, names, list(doc[1])))


def arguments(args):
    return '(%s)' % ', '.join(r'%s \fI%s\fR' % (a.get('type'), escape(a.get('name'))) for a in args)


def member(element, doc, where):
    args = element.findall('arg')
    check(element, doc, where, [a.get('name') for a in args])
    title = bold(element.get('name'))
    if element.tag == 'property':
        annotations = {a.get('name'): a.get('value') for a in element.findall('annotation')}
        if annotations.get(EMITS) not in NOTES:
            raise Bad('%s: no annotation %s' % (where, EMITS))
        title += ' ' + element.get('type') + NOTES[annotations[EMITS]]
    elif element.tag == 'signal':
        title += arguments(args)
    else:
        ways = [[a for a in args if a.get('direction', 'in') == way] for way in ('in', 'out')]
        title += r' \(-> '.join(arguments(way) for way in ways if way or way is ways[0])
    out = ['.PP', title, '.RS 4']
    for a in args:
        out += ['.TP', r'\fI%s\fR' % escape(a.get('name')), inline(doc[1][a.get('name')])]
    return out + blocks(doc[2]) + ['.RE']


def interface(element, doc):
    name = element.get('name')
    check(element, doc, name, ['short_description'])
    out = ['.SH "INTERFACE %s"' % escape(name), inline(doc[1]['short_description'])] + blocks(doc[2])
    members = list(children(element))
    for tag, title in (('method', 'Methods'), ('signal', 'Signals'), ('property', 'Properties')):
        chosen = [m for m in members if m[0] is not None and m[0].tag == tag]
        out += ['.SS ' + title] if chosen else []
        for e, d in chosen:
            out += member(e, d, '%s.%s' % (name, e.get('name')))
    return out


def page(version, path):
    root = ET.parse(path, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))).getroot()
    source = os.path.basename(path)
    out = [r'.\" SPDX-License-Identifier: LGPL-2.1-or-later', r'.\" Made from %s: edit that.' % source,
           '.TH "%s" 5 "" "promiscd %s" "D\\-Bus interfaces"' % (escape(source.removesuffix('.xml')), version)]
    for element, doc in children(root):
        if element is not None:
            out += interface(element, doc)
        else:
            out += ['.SH "%s"' % escape(doc[0].removeprefix('section '))] + blocks(doc[2])
    return '\n'.join(out) + '\n'


if __name__ == '__main__':
    try:
        text = page(*sys.argv[1:3])
    except (Bad, ET.ParseError) as e:
        sys.exit('%s: %s' % (sys.argv[2], e))
    with open(sys.argv[3], 'w', encoding='ascii') as f:
        f.write(text)
