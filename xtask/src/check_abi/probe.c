/*
 * What Xen's own header says of the wire: compiled, never run.  The table is read out of the
 * object by `cargo xtask check-abi`, once for each width of caller, and compared with what the
 * hypercall-abi crate says.  TMEM_OLD: as a guest older than 4.4 sees the header, with the
 * commands that were retired then.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef TMEM_OLD
#define __XEN_INTERFACE_VERSION__ 0x00040300
#else
/* The newest that 4.17 knows; headers up to 0x00041200 show the structures. */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif

#include <public/tmem.h>
#include <public/errno.h>

#ifdef __i386__
#define WIDTH "32."
#else
#define WIDTH "64."
#endif

struct entry {
    char name[56];
    uint64_t value;
};

static struct tmem_op op;

#define NUMBER(name) { #name, name },
#define SIZE(name, what) { WIDTH "sizeof." name, sizeof(what) },
#define PLACE(name, field)                                           \
    { WIDTH "offsetof." name, offsetof(struct tmem_op, field) },     \
    { WIDTH "sizeof." name, sizeof(op.field) },
#define OFFSET(name, field) { WIDTH "offsetof." name, offsetof(struct tmem_op, field) },

#ifdef TMEM_OLD
#define OID(i) u.gen.oid[i]
#else
#define OID(i) u.gen.oid.oid[i]
#endif

const struct entry tmem_probe[] __attribute__((section(".tmem_probe"), used)) = {
    NUMBER(__HYPERVISOR_tmem_op)
    NUMBER(TMEM_SPEC_VERSION)
    NUMBER(TMEM_NEW_POOL)
    NUMBER(TMEM_DESTROY_POOL)
    NUMBER(TMEM_PUT_PAGE)
    NUMBER(TMEM_GET_PAGE)
    NUMBER(TMEM_FLUSH_PAGE)
    NUMBER(TMEM_FLUSH_OBJECT)
#ifdef TMEM_OLD
    NUMBER(TMEM_NEW_PAGE)
    NUMBER(TMEM_READ)
    NUMBER(TMEM_WRITE)
    NUMBER(TMEM_XCHG)
#endif
    NUMBER(TMEM_AUTH)
    NUMBER(TMEM_RESTORE_NEW)

    NUMBER(TMEM_POOL_PERSIST)
    NUMBER(TMEM_POOL_SHARED)
    NUMBER(TMEM_POOL_PRECOMPRESSED)
    NUMBER(TMEM_POOL_PAGESIZE_SHIFT)
    NUMBER(TMEM_POOL_PAGESIZE_MASK)
    NUMBER(TMEM_POOL_VERSION_SHIFT)
    NUMBER(TMEM_POOL_VERSION_MASK)
    NUMBER(TMEM_POOL_RESERVED_BITS)

    NUMBER(XEN_EPERM)
    NUMBER(XEN_ENOMEM)
    NUMBER(XEN_EFAULT)
    NUMBER(XEN_ENODEV)
    NUMBER(XEN_ENOSPC)
    NUMBER(XEN_ENOSYS)
    NUMBER(XEN_EOPNOTSUPP)
    NUMBER(EFROZEN)
    NUMBER(EEMPTY)

    SIZE("tmem_op", op)
    SIZE("creat", op.u.creat)
    SIZE("gen", op.u.gen)
    PLACE("cmd", cmd)
    PLACE("pool_id", pool_id)
    PLACE("creat.uuid0", u.creat.uuid[0])
    PLACE("creat.uuid1", u.creat.uuid[1])
    PLACE("creat.flags", u.creat.flags)
    OFFSET("creat.arg1", u.creat.arg1)
    PLACE("gen.oid0", OID(0))
    PLACE("gen.oid1", OID(1))
    PLACE("gen.oid2", OID(2))
    PLACE("gen.index", u.gen.index)
    OFFSET("gen.tmem_offset", u.gen.tmem_offset)
    OFFSET("gen.pfn_offset", u.gen.pfn_offset)
    OFFSET("gen.len", u.gen.len)
    PLACE("gen.cmfn", u.gen.cmfn)
};
