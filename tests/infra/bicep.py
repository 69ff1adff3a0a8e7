"""Checks Bicep without Azure: syntax, names, functions, modules, bodies."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tree_sitter_bicep as tsb
from tree_sitter import Language, Parser

PARSER = Parser(Language(tsb.language()))
FUNCS = {
    "array",
    "bool",
    "buildUri",
    "cidrHost",
    "cidrSubnet",
    "concat",
    "contains",
    "dataUri",
    "dataUriToString",
    "dateTimeAdd",
    "dateTimeFromEpoch",
    "dateTimeToEpoch",
    "distinct",
    "empty",
    "endsWith",
    "fail",
    "filter",
    "first",
    "flatten",
    "format",
    "groupBy",
    "guid",
    "indexOf",
    "int",
    "intersection",
    "items",
    "join",
    "json",
    "last",
    "lastIndexOf",
    "length",
    "like",
    "loadFileAsBase64",
    "loadDirectoryFileInfo",
    "loadJsonContent",
    "loadTextContent",
    "loadYamlContent",
    "map",
    "mapValues",
    "max",
    "min",
    "newGuid",
    "objectKeys",
    "padLeft",
    "parseCidr",
    "parseUri",
    "range",
    "readEnvironmentVariable",
    "reduce",
    "replace",
    "shallowMerge",
    "skip",
    "sort",
    "split",
    "startsWith",
    "string",
    "base64",
    "base64ToString",
    "base64ToJson",
    "substring",
    "take",
    "toLower",
    "toObject",
    "toUpper",
    "trim",
    "union",
    "uniqueString",
    "uri",
    "uriComponent",
    "uriComponentToString",
    "utcNow",
    "any",
    "deployer",
    "deployment",
    "environment",
    "extensionResourceId",
    "managementGroup",
    "managementGroupResourceId",
    "pickZones",
    "providers",
    "reference",
    "resourceGroup",
    "resourceId",
    "subscription",
    "subscriptionResourceId",
    "tenant",
    "tenantResourceId",
    "getSecret",
    "toLogicalZone",
    "toPhysicalZone",
}
DECOR = {
    "description",
    "allowed",
    "minLength",
    "maxLength",
    "minValue",
    "maxValue",
    "secure",
    "metadata",
    "batchSize",
    "sealed",
    "export",
    "discriminator",
    "onlyIfNotExists",
    "retryOn",
    "waitUntil",
}
STRFN = {
    "string",
    "toLower",
    "toUpper",
    "format",
    "guid",
    "uniqueString",
    "substring",
    "take",
    "trim",
    "replace",
    "padLeft",
    "join",
    "concat",
    "resourceId",
    "subscriptionResourceId",
    "uri",
    "base64",
    "loadTextContent",
    "utcNow",
    "newGuid",
    "last",
    "first",
} - {"take", "last", "first", "concat"}
SCOPEFN = {"resourceGroup", "subscription", "tenant", "managementGroup"}


# ---------------------------------------------------------------- type model
@dataclass
class Ty:
    kind: str  # str int bool any null lit union array object discr
    lit: object = None
    elems: list = field(default_factory=list)
    item: Ty | None = None
    props: dict = field(default_factory=dict)  # name -> (thunk, required, readonly)
    extra: object = None  # thunk | None
    name: str = ""
    disc: str = ""
    cases: dict = field(default_factory=dict)
    pat: str | None = None
    minl: int | None = None
    maxl: int | None = None
    minv: int | None = None
    maxv: int | None = None


ANY = Ty("any")
STR = Ty("str")
INT = Ty("int")
BOOL = Ty("bool")


class RawTypes:
    """types.json of Azure/bicep-types-az (or a pruned copy of it)."""

    def __init__(self, load):
        self.load = load
        self.cache = {}

    def resource(self, rt, ver):
        T = self.load(rt, ver)
        if T is None:
            return None
        for t in T:
            if t["$type"] == "ResourceType" and t["name"].lower() == f"{rt}@{ver}".lower():
                return self.conv(T, int(t["body"]["$ref"].split("/")[-1]))
        return None

    def conv(self, T, i):
        k = (id(T), i)
        if k in self.cache:
            return self.cache[k]
        t = T[i]
        kind = t["$type"]
        out = Ty("any")
        self.cache[k] = out

        def ref(r):
            return int(r["$ref"].split("/")[-1])

        if kind == "StringType":
            out.kind = "str"
            out.pat = t.get("pattern")
            out.minl = t.get("minLength")
            out.maxl = t.get("maxLength")
        elif kind == "IntegerType":
            out.kind = "int"
            out.minv = t.get("minValue")
            out.maxv = t.get("maxValue")
        elif kind == "BooleanType":
            out.kind = "bool"
        elif kind == "NullType":
            out.kind = "null"
        elif kind == "StringLiteralType":
            out.kind = "lit"
            out.lit = t["value"]
        elif kind == "UnionType":
            out.kind = "union"
            out.elems = [self.conv(T, ref(e)) for e in t["elements"]]
        elif kind == "ArrayType":
            out.kind = "array"
            out.item = self.conv(T, ref(t["itemType"]))
        elif kind == "ObjectType":
            out.kind = "object"
            out.name = t["name"]
            for n, p in t["properties"].items():
                f = p.get("flags", 0)
                out.props[n] = (
                    partial(self.conv, T, ref(p["type"])),
                    bool(f & 1),
                    bool(f & 2),
                )
            if t.get("additionalProperties"):
                out.extra = partial(self.conv, T, ref(t["additionalProperties"]))
        elif kind == "DiscriminatedObjectType":
            out.kind = "discr"
            out.name = t["name"]
            out.disc = t["discriminator"]
            for n, p in t["baseProperties"].items():
                f = p.get("flags", 0)
                out.props[n] = (
                    partial(self.conv, T, ref(p["type"])),
                    bool(f & 1),
                    bool(f & 2),
                )
            out.cases = {n: partial(self.conv, T, ref(e)) for n, e in t["elements"].items()}
        return out


# ---------------------------------------------------------------- checker
class File:
    def __init__(self, path, proj):
        self.path = Path(path)
        self.proj = proj
        self.src = self.path.read_bytes()
        self.errs = []
        self.params = {}
        self.vars = {}
        self.res = {}
        self.mods = {}
        self.outs = {}
        self.udts = set()
        self.scope = "resourceGroup"
        self.tree = PARSER.parse(self.src).root_node
        self.collect()

    def err(self, n, msg):
        self.errs.append((n.start_point[0] + 1, msg))

    def t(self, n):
        return n.text.decode()

    def syntax(self, n):
        if n.type == "ERROR" or n.is_missing:
            self.err(n, "syntax error near " + repr(self.t(n)[:40]))
            return
        for c in n.children:
            if c.has_error or c.is_missing:
                self.syntax(c)

    def kids(self, n):
        return [c for c in n.named_children if c.type not in ("comment", "diagnostic_comment")]

    def strval(self, n):
        if n.type != "string" or any(c.type == "interpolation" for c in n.children):
            return None
        return self.t(n)[1:-1].replace("\\'", "'")

    def collect(self):
        self.syntax(self.tree)
        pend = []
        seen = {}
        for n in self.kids(self.tree):
            if n.type == "decorators":
                pend = self.kids(n)
                continue
            dec, pend = pend, []
            for d in dec:
                f = self.kids(d)[0]
                nm = (
                    self.t(f.child_by_field_name("function") or f)
                    if f.type == "call_expression"
                    else self.t(f)
                )
                if nm.split(".")[-1] not in DECOR:
                    self.err(d, f"unknown decorator {nm}")
            k = self.kids(n)
            if n.type == "target_scope_assignment":
                self.scope = self.strval(k[0])
                continue
            if n.type in (
                "parameter_declaration",
                "variable_declaration",
                "resource_declaration",
                "module_declaration",
                "output_declaration",
                "type_declaration",
                "user_defined_function",
            ):
                nm = self.t(k[0])
                if n.type != "output_declaration":
                    if nm in seen:
                        self.err(n, f"{nm} declared twice")
                    seen[nm] = 1
                if n.type == "parameter_declaration":
                    ty = (
                        self.t(k[1])
                        if len(k) > 1
                        and k[1].type in ("type", "nullable_type", "array_type", "union_type")
                        else "any"
                    )
                    allowed = None
                    for d in dec:
                        c = self.kids(d)[0]
                        if (
                            c.type == "call_expression"
                            and self.t(c.child_by_field_name("function")) == "allowed"
                        ):
                            arr = self.kids(self.kids(c)[-1])[0]
                            allowed = [
                                self.strval(x) if x.type == "string" else self.t(x)
                                for x in self.kids(arr)
                            ]
                    default = k[2] if len(k) > 2 else None
                    self.params[nm] = (ty, default, allowed, n)
                    if (
                        default is not None
                        and allowed
                        and default.type == "string"
                        and self.strval(default) not in allowed
                    ):
                        self.err(n, f"default of {nm} not in @allowed")
                    base = ty.rstrip("?").replace("[]", "")
                    if base not in (
                        "string",
                        "int",
                        "bool",
                        "object",
                        "array",
                        "any",
                    ) and not base.startswith(("'", "{", "(")):
                        self.udts.add(base)
                    if default is not None:
                        lit = {
                            "string": "string",
                            "boolean": "bool",
                            "number": "int",
                            "object": "object",
                            "array": "array",
                        }.get(default.type)
                        if (
                            lit
                            and base in ("string", "int", "bool", "object", "array")
                            and lit != base
                        ):
                            self.err(n, f"default of {nm} is {lit}, declared {base}")
                elif n.type == "variable_declaration":
                    self.vars[nm] = k[-1]
                elif n.type == "resource_declaration":
                    self.addres(n, None)
                elif n.type == "module_declaration":
                    self.mods[nm] = n
                elif n.type == "output_declaration":
                    self.outs[nm] = n
            elif n.type in (
                "ERROR",
                "import_statement",
                "import_with_statement",
                "metadata_declaration",
                "assert_statement",
                "type_declaration",
            ):
                pass
            else:
                self.err(n, f"unexpected {n.type}")

    def addres(self, n, parent):
        k = self.kids(n)
        nm = self.t(k[0])
        ts = self.strval(k[1]) or ""
        ex = any(c.type == "existing" or self.t(c) == "existing" for c in n.children)
        if "@" in ts:
            rt, ver = ts.split("@")
        elif parent:
            rt, ver = ts, self.res[parent]["ver"]
        else:
            rt, ver = ts, ""
        if parent:
            rt = self.res[parent]["rt"] + "/" + rt
        key = (parent + "::" if parent else "") + nm
        self.res[key] = {
            "rt": rt,
            "ver": ver,
            "existing": ex,
            "node": n,
            "body": k[-1],
            "parent": parent,
            "loop": k[-1].type == "for_statement",
        }
        b = self.body(k[-1])
        for p in self.kids(b) if b is not None else []:
            if (
                p.type == "object_property"
                and self.kids(p)
                and self.kids(p)[0].type == "resource_declaration"
            ):
                self.addres(self.kids(p)[0], key)

    def body(self, n):
        while n is not None and n.type in (
            "if_statement",
            "for_statement",
            "parenthesized_expression",
        ):
            n = self.kids(n)[-1]
        return n

    def keyof(self, p):
        k = self.kids(p)[0]
        if k.type in ("identifier", "property_identifier"):
            return self.t(k)
        if k.type == "string":
            return self.strval(k)
        return None

    # -------- inference (conservative: None = unknown)
    def infer(self, n, env, d=0):
        if n is None or d > 12:
            return None
        t = n.type
        if t == "string":
            v = self.strval(n)
            return Ty("lit", lit=v) if v is not None else STR
        if t in ("multiline_string",):
            return STR
        if t == "boolean":
            return BOOL
        if t == "number":
            return Ty("int", lit=int(self.t(n)))
        if t == "null":
            return Ty("null")
        if t == "object":
            return Ty("object")
        if t == "array":
            return Ty("array")
        if t == "for_statement":
            return Ty("array")
        if t == "parenthesized_expression":
            return self.infer(self.kids(n)[0], env, d + 1)
        if t == "unary_expression":
            return BOOL if self.t(n).startswith("!") else INT
        if t == "binary_expression":
            op = [c.type for c in n.children if not c.is_named]
            if op and op[0] in ("==", "!=", "&&", "||", "<", ">", "<=", ">=", "=~", "!~"):
                return BOOL
            if op and op[0] == "??":
                return self.infer(n.child_by_field_name("right"), env, d + 1)
            return INT
        if t == "call_expression":
            f = n.child_by_field_name("function")
            if f.type == "identifier":
                if self.t(f) in STRFN:
                    return STR
                if self.t(f) in ("empty", "contains", "startsWith", "endsWith", "bool"):
                    return BOOL
                if self.t(f) in ("length", "int", "indexOf"):
                    return INT
                if self.t(f) in ("split", "range", "map", "filter", "items"):
                    return Ty("array")
            return None
        if t == "identifier":
            nm = self.t(n)
            if nm in env:
                return None
            if nm in self.params:
                b = self.params[nm][0]
                if b.endswith("?"):
                    return None
                return {
                    "string": STR,
                    "int": INT,
                    "bool": BOOL,
                    "object": Ty("object"),
                    "array": Ty("array"),
                }.get(b) or (Ty("array") if b.endswith("[]") else None)
            if nm in self.vars:
                return self.infer(self.vars[nm], env, d + 1)
            if nm in self.res:
                return Ty("resource")
            return None
        if t == "member_expression":
            o = n.child_by_field_name("object")
            p = self.t(n.child_by_field_name("property"))
            r = self.resref(o)
            if r:
                return self.respath(r, [p])
            if o.type == "member_expression":
                path = []
                x = n
                while x.type == "member_expression":
                    path.insert(0, self.t(x.child_by_field_name("property")))
                    x = x.child_by_field_name("object")
                r = self.resref(x)
                if r:
                    return self.respath(r, path)
                if (
                    x.type == "identifier"
                    and self.t(x) in self.mods
                    and path[0] == "outputs"
                    and len(path) == 2
                ):
                    m = self.proj.module(self, self.t(x))
                    if m and path[1] in m.outs:
                        k = m.kids(m.outs[path[1]])
                        return {
                            "string": STR,
                            "int": INT,
                            "bool": BOOL,
                            "object": Ty("object"),
                            "array": Ty("array"),
                        }.get(m.t(k[1]))
            return None
        return None

    def resref(self, o):
        if o.type == "identifier" and self.t(o) in self.res and not self.res[self.t(o)]["loop"]:
            return self.t(o)
        if o.type == "subscript_expression" and self.t(self.kids(o)[0]) in self.res:
            return self.t(self.kids(o)[0])
        if o.type == "resource_expression":
            k = self.t(o).replace(" ", "")
            return k if k in self.res else None
        return None

    def respath(self, key, path):
        r = self.res[key]
        ty = self.proj.types.resource(r["rt"], r["ver"])
        for p in path:
            if ty is None or ty.kind != "object" or p not in ty.props:
                return None
            ty = ty.props[p][0]()
        return ty if ty and ty.kind in ("str", "int", "bool", "lit", "array", "object") else None

    # -------- expressions
    def expr(self, n, env):
        t = n.type
        if t == "identifier":
            nm = self.t(n)
            if (
                nm not in env
                and nm not in self.params
                and nm not in self.vars
                and nm not in self.res
                and nm not in self.mods
                and nm not in ("az", "sys")
            ):
                self.err(
                    n,
                    f"unknown name {nm}"
                    + self.hint(nm, [*self.params, *self.vars, *self.res, *self.mods]),
                )
            return
        if t == "call_expression":
            f = n.child_by_field_name("function")
            a = n.child_by_field_name("arguments")
            if f.type == "identifier":
                if self.t(f) not in FUNCS and not self.t(f).startswith("list"):
                    self.err(f, f"unknown function {self.t(f)}" + self.hint(self.t(f), FUNCS))
                if self.t(f) in (
                    "loadJsonContent",
                    "loadTextContent",
                    "loadYamlContent",
                    "loadFileAsBase64",
                ):
                    p = self.strval(self.kids(a)[0])
                    if p and not (self.path.parent / p).exists():
                        self.err(n, f"{p} not found")
            else:
                self.expr(f.child_by_field_name("object") or f, env)
            for c in self.kids(a):
                self.expr(c, env)
            return
        if t == "member_expression":
            path = []
            x = n
            while x.type == "member_expression":
                path.insert(0, self.t(x.child_by_field_name("property")))
                x = x.child_by_field_name("object")
            if x.type == "identifier" and self.t(x) not in env:
                nm = self.t(x)
                if nm in self.mods:
                    if path[0] not in ("outputs", "name"):
                        self.err(n, f"module has no member {path[0]}")
                    elif path[0] == "outputs" and len(path) > 1:
                        m = self.proj.module(self, nm)
                        if m and path[1] not in m.outs:
                            self.err(
                                n,
                                f"module {nm} has no output {path[1]}" + self.hint(path[1], m.outs),
                            )
                    return
                if nm in self.vars and self.vars[nm].type == "object":
                    ks = [self.keyof(p) for p in self.kids(self.vars[nm])]
                    if None not in ks and path[0] not in ks and "?" not in self.t(n):
                        self.err(n, f"{nm} has no property {path[0]}" + self.hint(path[0], ks))
                    return
                if (
                    nm in self.vars
                    and self.vars[nm].type == "call_expression"
                    and self.t(self.vars[nm]).startswith("loadJsonContent")
                ):
                    p = self.strval(self.kids(self.vars[nm].child_by_field_name("arguments"))[0])
                    f = self.path.parent / p
                    if f.exists() and path[0] not in json.loads(f.read_text()):
                        self.err(
                            n,
                            f"{p} has no key {path[0]}"
                            + self.hint(path[0], json.loads(f.read_text())),
                        )
                    return
            r = self.resref(x)
            if r:
                q = self.res[r]
                ty = self.proj.types.resource(q["rt"], q["ver"])
                for p in path:
                    if ty is None or ty.kind != "object":
                        break
                    if p not in ty.props:
                        if not ty.extra:
                            self.err(
                                n,
                                f"{q['rt']} has no property {'.'.join(path)}"
                                + self.hint(p, ty.props),
                            )
                        break
                    ty = ty.props[p][0]()
                return
            self.expr(x, env)
            return
        if t == "resource_expression":
            if self.t(n).replace(" ", "") not in self.res:
                self.err(n, f"unknown nested resource {self.t(n)}")
            return
        if t == "for_statement":
            self.forst(n, env, lambda b, e: self.expr(b, e))
            return
        if t == "lambda_expression":
            ks = self.kids(n)
            e = set(env)
            for k in ks[:-1]:
                for i in [k] if k.type == "identifier" else self.kids(k):
                    e.add(self.t(i))
            self.expr(ks[-1], e)
            return
        if t == "object":
            seen = set()
            for p in self.kids(n):
                if p.type != "object_property":
                    self.expr(p, env)
                    continue
                k = self.keyof(p)
                if k is not None:
                    if k in seen:
                        self.err(p, f"property {k} twice")
                    seen.add(k)
                else:
                    self.expr(self.kids(p)[0], env)
                if len(self.kids(p)) < 2:
                    self.err(p, f"property {k} has no value")
                    continue
                self.expr(self.kids(p)[-1], env)
            return
        for c in self.kids(n):
            if c.type not in ("string_content", "property_identifier", "escape_sequence"):
                self.expr(c, env)

    def forst(self, n, env, cb):
        e = set(env)
        ks = self.kids(n)
        body = n.child_by_field_name("body") or ks[-1]
        ini = n.child_by_field_name("initializer")
        names = [ini] if ini is not None and ini.type == "identifier" else []
        for k in ks:
            if k.type == "for_loop_parameters" or (
                k.type not in ("identifier",)
                and k != body
                and self.t(k).startswith("(")
                and k.type != "parenthesized_expression"
            ):
                names += self.kids(k)
        for i in names:
            e.add(self.t(i))
        for k in ks:
            if k != body and k not in names and k.type != "for_loop_parameters":
                self.expr(k, env | {self.t(i) for i in names})
        cb(body, e)

    @staticmethod
    def hint(x, xs):
        m = difflib.get_close_matches(x, [y for y in xs if y], 1)
        return f" (did you mean {m[0]}?)" if m else ""

    # -------- value against type
    def value(self, n, ty, env, where):
        ty2 = ty
        if ty is None or ty.kind == "any":
            return None
        if n.type == "parenthesized_expression":
            return self.value(self.kids(n)[0], ty, env, where)
        if n.type == "ternary_expression":
            for f in ("consequence", "alternative"):
                c = n.child_by_field_name(f)
                if c is not None and c.type != "null" and self.t(c) != "null":
                    self.value(c, ty, env, where)
            return None
        if n.type == "object":
            if ty.kind == "union":
                os = [e for e in ty.elems if e.kind in ("object", "discr", "any")]
                if not os:
                    self.err(n, f"{where}: object given, {self.show(ty)} expected")
                    return None
                ty2 = os[0] if len(os) == 1 else None
            elif ty.kind not in ("object", "discr"):
                self.err(n, f"{where}: object given, {self.show(ty)} expected")
                return None
            if ty2 is not None and ty2.kind != "any":
                self.obj(n, ty2, env, where)
            return None
        if n.type == "array":
            if ty.kind == "array":
                for i, c in enumerate(self.kids(n)):
                    self.value(c, ty.item, env, f"{where}[{i}]")
            elif ty.kind != "union":
                self.err(n, f"{where}: array given, {self.show(ty)} expected")
            return None
        if n.type == "for_statement":
            if ty.kind == "array":
                self.forst(n, env, lambda b, e: self.value(b, ty.item, e, where + "[]"))
            elif ty.kind != "union":
                self.err(n, f"{where}: array given, {self.show(ty)} expected")
            return None
        g = self.infer(n, env)
        if g is None or g.kind in ("any", "resource"):
            if (
                g is not None
                and g.kind == "resource"
                and ty.kind in ("str", "lit", "union", "array")
            ):
                self.err(n, f"{where}: a resource symbol given, {self.show(ty)} expected")
            return None
        self.fits(n, g, ty, where)
        return None

    def fits(self, n, g, ty, where):
        def ok(g, ty):
            if ty.kind == "any":
                return True
            if ty.kind == "union":
                return any(ok(g, e) for e in ty.elems)
            if g.kind == "union":
                return any(ok(e, ty) for e in g.elems)
            if g.kind == "null":
                return True
            if ty.kind == "lit":
                return (g.kind == "lit" and g.lit == ty.lit) or g.kind == "str"
            if ty.kind == "str":
                return g.kind in ("str", "lit")
            if ty.kind == "int":
                return g.kind == "int"
            if ty.kind == "bool":
                return g.kind == "bool"
            if ty.kind in ("object", "discr"):
                return g.kind in ("object", "discr")
            if ty.kind == "array":
                return g.kind == "array"
            return True

        if not ok(g, ty):
            self.err(n, f"{where}: {self.show(g)} given, {self.show(ty)} expected")
            return
        if (
            ty.kind == "union"
            and g.kind == "lit"
            and any(e.kind == "lit" for e in ty.elems)
            and not any(e.kind == "lit" and e.lit == g.lit for e in ty.elems)
        ):
            self.err(
                n,
                f"{where}: '{g.lit}' is not a known value of {self.show(ty)}"
                + self.hint(str(g.lit), [str(e.lit) for e in ty.elems if e.kind == "lit"]),
            )
        if ty.kind == "str" and g.kind == "lit":
            if (ty.minl and len(g.lit) < ty.minl) or (ty.maxl and len(g.lit) > ty.maxl):
                self.err(n, f"{where}: '{g.lit}' has a length outside {ty.minl}..{ty.maxl}")
            if ty.pat and not re.search(ty.pat, g.lit):
                self.err(n, f"{where}: '{g.lit}' does not match {ty.pat}")
        if ty.kind == "int" and g.kind == "int" and isinstance(g.lit, int):
            low = g.lit if ty.minv is None else ty.minv
            high = g.lit if ty.maxv is None else ty.maxv
            if not low <= g.lit <= high:
                self.err(n, f"{where}: {g.lit} outside {ty.minv}..{ty.maxv}")

    def show(self, t):
        if t.kind == "lit":
            return f"'{t.lit}'"
        if t.kind == "union":
            return " | ".join(self.show(e) for e in t.elems[:8])
        return t.name or t.kind

    def obj(self, n, ty, env, where, skip=(), need=True):
        ps = [
            p
            for p in self.kids(n)
            if p.type == "object_property" and self.kids(p)[0].type != "resource_declaration"
        ]
        spread = any(p.type not in ("object_property",) for p in self.kids(n))
        have = {}
        for p in ps:
            k = self.keyof(p)
            if k is not None:
                have[k] = p
            elif ty.extra:
                self.value(self.kids(p)[-1], ty.extra(), env, where + ".*")
        if ty.kind == "discr":
            d = have.get(ty.disc)
            v = self.strval(self.kids(d)[-1]) if d is not None else None
            if d is None:
                self.err(n, f"{where}: {ty.disc} is required")
                return
            if v is None:
                return
            if v not in ty.cases:
                self.err(d, f"{where}.{ty.disc}: '{v}' is not one of {list(ty.cases)}")
                return
            c = ty.cases[v]()
            m = Ty("object", name=c.name)
            m.props = {**ty.props, **c.props}
            m.extra = c.extra
            ty = m
        for k, p in have.items():
            if k in skip:
                continue
            if k not in ty.props:
                if ty.extra:
                    self.value(self.kids(p)[-1], ty.extra(), env, f"{where}.{k}")
                else:
                    ci = [x for x in ty.props if x.lower() == k.lower()]
                    self.err(
                        p,
                        f"{where}: {ty.name or 'object'} has no property {k}"
                        + (f" (did you mean {ci[0]}?)" if ci else self.hint(k, ty.props)),
                    )
                continue
            th, req, ro = ty.props[k]
            if ro:
                self.err(p, f"{where}.{k} is read-only")
                continue
            self.value(self.kids(p)[-1], th(), env, f"{where}.{k}")
        if need and not spread:
            for k, (_th, req, _ro) in ty.props.items():
                if req and k not in have and k not in skip:
                    self.err(n, f"{where}: {k} is required")

    # -------- whole file
    def check(self):
        for u in self.udts:
            self.err(self.tree, f"unknown type {u}")
        for _nm, (_ty, df, _al, _n) in self.params.items():
            if df is not None:
                self.expr(df, set())
        for _nm, v in self.vars.items():
            self.expr(v, set())
        for nm, n in self.outs.items():
            k = self.kids(n)
            v = k[-1]
            self.expr(v, set()) if v.type != "for_statement" else self.forst(
                v, set(), lambda b, e: self.expr(b, e)
            )
            want = {
                "string": STR,
                "int": INT,
                "bool": BOOL,
                "object": Ty("object"),
                "array": Ty("array"),
            }.get(self.t(k[1]))
            g = self.infer(v, set())
            if want and g and g.kind not in ("any", "resource"):
                self.fits(v, g, want, f"output {nm}")
            elif want and g and g.kind == "resource" and want.kind != "object":
                self.err(v, f"output {nm}: resource given")
        for key, r in self.res.items():
            k = self.kids(r["node"])
            b = k[-1]
            env0 = {
                x.split("::")[-1] for x in self.res if r["parent"] and x.startswith(r["parent"])
            }

            def one(bn, env, r=r, key=key):
                while bn.type in ("if_statement", "parenthesized_expression"):
                    ks = self.kids(bn)
                    for c in ks[:-1]:
                        self.expr(c, env)
                    bn = ks[-1]
                if bn.type != "object":
                    self.err(bn, "resource body must be an object")
                    return
                for p in self.kids(bn):
                    if (
                        p.type == "object_property"
                        and self.kids(p)[0].type == "resource_declaration"
                    ):
                        continue
                    if p.type == "object_property" and len(self.kids(p)) > 1:
                        if self.keyof(p) is None:
                            self.expr(self.kids(p)[0], env)
                        self.expr(self.kids(p)[-1], env)
                if not re.fullmatch(r"[A-Za-z0-9.]+(/[A-Za-z0-9]+)+", r["rt"]) or not r["ver"]:
                    self.err(r["node"], f"bad type {r['rt']}@{r['ver']}")
                    return
                ty = self.proj.types.resource(r["rt"], r["ver"])
                if ty is None:
                    self.err(r["node"], f"unknown type or version {r['rt']}@{r['ver']}")
                    self.proj.unknown.add(f"{r['rt']}@{r['ver']}")
                    return
                have = [self.keyof(p) for p in self.kids(bn)]
                if "name" not in have:
                    self.err(bn, f"{key}: name is required")
                if r["existing"]:
                    for h in have:
                        if h not in ("name", "scope", "parent", None):
                            self.err(bn, f"{key}: existing resource sets {h}")
                else:
                    if ty.kind == "discr":
                        self.obj(bn, ty, env, key, skip=("parent", "scope", "dependsOn"))
                    else:
                        self.obj(
                            bn,
                            ty,
                            env,
                            key,
                            skip=("parent", "scope", "dependsOn", "name")
                            if r["rt"].count("/") != 1
                            else ("parent", "scope", "dependsOn"),
                        )
                par = [p for p in self.kids(bn) if self.keyof(p) == "parent"]
                if par:
                    v = self.kids(par[0])[-1]
                    pk = self.resref(v)
                    if pk is None:
                        self.err(v, f"{key}: parent must be a resource")
                    elif self.res[pk]["rt"].lower() != r["rt"].rsplit("/", 1)[0].lower():
                        self.err(v, f"{key}: parent is {self.res[pk]['rt']}")
                elif r["rt"].count("/") > 1 and not r["parent"]:
                    nn = [p for p in self.kids(bn) if self.keyof(p) == "name"]
                    if nn and self.t(self.kids(nn[0])[-1]).count("/") < r["rt"].count("/") - 1:
                        self.err(
                            bn,
                            f"{key}: child resource without parent, or a name of too few segments",
                        )

            if b.type == "for_statement":
                self.forst(b, env0, one)
            else:
                one(b, env0)
        for nm, n in self.mods.items():
            k = self.kids(n)
            p = self.strval(k[1])
            m = self.proj.module(self, nm)
            b = k[-1]
            if m is None and not (p or "").startswith(("br/", "br:", "ts:")):
                self.err(n, f"module {p} not found")

            def one(bn, env, m=m, nm=nm):
                while bn.type in ("if_statement", "parenthesized_expression"):
                    ks = self.kids(bn)
                    for c in ks[:-1]:
                        self.expr(c, env)
                    bn = ks[-1]
                params = None
                for q in self.kids(bn):
                    kk = self.keyof(q)
                    if kk not in ("name", "params", "scope", "dependsOn", "identity"):
                        self.err(q, f"module {nm} has no property {kk}")
                    self.expr(self.kids(q)[-1], env)
                    if kk == "params":
                        params = self.kids(q)[-1]
                if m is None:
                    return
                if self.scope != m.scope and "scope" not in [self.keyof(q) for q in self.kids(bn)]:
                    self.err(bn, f"module {nm} targets {m.scope}; scope is required")
                got = {self.keyof(q): q for q in self.kids(params)} if params is not None else {}
                for g, q in got.items():
                    if g not in m.params:
                        self.err(q, f"module {nm} has no parameter {g}" + self.hint(g, m.params))
                        continue
                    ty, df, al, _ = m.params[g]
                    w = {
                        "string": STR,
                        "int": INT,
                        "bool": BOOL,
                        "object": Ty("object"),
                        "array": Ty("array"),
                    }.get(ty.rstrip("?"))
                    if al and w is STR:
                        w = Ty("union", elems=[Ty("lit", lit=x) for x in al])
                    v = self.kids(q)[-1]
                    if w is not None:
                        gi = Ty(v.type) if v.type in ("object", "array") else self.infer(v, env)
                        if gi is not None and gi.kind == "resource":
                            self.err(v, f"module {nm}.{g}: a resource symbol given")
                        elif gi is not None and gi.kind != "any":
                            self.fits(v, gi, w, f"module {nm}.{g}")
                for g, (ty, df, _al, _) in m.params.items():
                    if df is None and not ty.endswith("?") and g not in got:
                        self.err(bn, f"module {nm}: parameter {g} is required")

            if b.type == "for_statement":
                self.forst(b, set(), one)
            else:
                one(b, set())
        set(re.findall(rb"[A-Za-z_]\w*", self.src))
        for p, (_ty, _df, _al, n) in self.params.items():
            if len(re.findall(rb"\b" + p.encode() + rb"\b", self.src)) < 2:
                self.err(n, f"parameter {p} is never used")
        for v, n in self.vars.items():
            if len(re.findall(rb"\b" + v.encode() + rb"\b", self.src)) < 2:
                self.err(n, f"variable {v} is never used")
        return sorted(set(self.errs))


class Project:
    def __init__(self, root, types):
        self.root = Path(root)
        self.types = types
        self.files = {}
        self.unknown = set()

    def file(self, p):
        p = Path(p).resolve()
        if p not in self.files:
            self.files[p] = File(p, self)
        return self.files[p]

    def module(self, f, nm):
        k = f.kids(f.mods[nm])
        p = f.strval(k[1])
        if not p or p.startswith(("br/", "br:", "ts:")):
            return None
        q = f.path.parent / p
        return self.file(q) if q.exists() else None

    def run(self):
        out = []
        for p in sorted(self.root.rglob("*.bicep")):
            for ln, m in self.file(p).check():
                out.append(f"{p.relative_to(self.root)}:{ln}: {m}")
        m = self.root / "main.bicep"
        pj = self.root / "main.parameters.json"
        if m.exists() and pj.exists():
            d = json.loads(pj.read_text())["parameters"]
            f = self.file(m)
            for k in d:
                if k not in f.params:
                    out.append(f"main.parameters.json: {k} is not a parameter of main.bicep")
            for k, (_ty, df, _al, _n) in f.params.items():
                if df is None and k not in d:
                    out.append(f"main.parameters.json: {k} has no value and no default")
        return out


def pruned_loader():
    """Microsoft's types of the resources that infra/ declares. Source: Azure/bicep-types-az."""
    types = json.loads((Path(__file__).parent / "bicep_types.json").read_text())["types"]
    low = {name.lower(): value for name, value in types.items()}
    return lambda rt, ver: low.get(f"{rt}@{ver}".lower())
