/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tmem.c: transcendent memory, the glue's door.
 *
 * Holds the hypercall, the sysctl, the boot option, the start, the death of
 * domains and of CPUs.  This file and tmem_reclaim.c call the Rust library, so
 * they are compiled with the stack alignment of the ABI (see common/Makefile).
 * What the library asks of Xen is in tmem_frames.c and tmem_guest.c.
 */

#include <xen/cpu.h>
#include <xen/errno.h>
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/init.h>
#include <xen/lib.h>
#include <xen/param.h>
#include <xen/percpu.h>
#include <xen/preempt.h>
#include <xen/random.h>
#include <xen/sched.h>
#include <xen/tmem.h>
#include <xen/tmem-rs.h>
#include <xen/tmem-stretch.h>
#include <xen/time.h>

#include <asm/guest.h>
#include <asm/uaccess.h>

#include <xsm/xsm.h>

static bool __initdata opt_tmem;
boolean_param("tmem", opt_tmem);

uint8_t __read_mostly tmem_enabled;

/* The library's, but for how many frames it keeps there, which others count. */
struct tmem_percpu {
    union {
        uint8_t bytes[TMEM_PERCPU_BYTES];
        struct {
            uint32_t spare;     /* A frame; 0: none. */
            uint32_t nr;        /* Frames in stock. */
        };
    };
} __aligned(64);
static DEFINE_PER_CPU(struct tmem_percpu, tmem_percpu);

/* The library's doors for the two layouts of an operation. */
static always_inline long rs_op(const uint64_t *block, domid_t domid,
                                bool compat)
{
    return unlikely(compat) ? tmem_rs_op_compat(block, domid)
                            : tmem_rs_op(block, domid);
}

/*
 * Calls the library, and counts how long that takes.  Of an operation that goes
 * on in slices each counts by itself.
 */
static long noinline measured_op(const uint64_t *block, domid_t domid,
                                 bool compat)
{
    s_time_t start = NOW();
    long rc = rs_op(block, domid, compat);
    uint64_t ns = NOW() - start;

    tmem_count_latency(block[0], ns);
    /* Command and pool id, of our copy: both callers' blocks begin with them. */
    tmem_rs_measured(domid, block[0], block[0] >> 32, ns);

    return rc;
}

/*
 * Goes on with an operation that is more than a slice of work.  Out of line,
 * so that the others keep few registers.
 */
static long noinline go_on(XEN_GUEST_HANDLE_PARAM(void) uops,
                           const uint64_t *block, bool compat)
{
    domid_t domid = current->domain->domain_id;
    long rc;

    do {
        if ( hypercall_preempt_check() )
            return hypercall_create_continuation(__HYPERVISOR_tmem_op, "h",
                                                 uops);

        rc = unlikely(tmem_xen_is_measuring())
             ? measured_op(block, domid, compat) : rs_op(block, domid, compat);
        stretch_end(block[0]);
    } while ( rc == TMEM_RS_AGAIN );

    return rc;
}

/*
 * copy_from_guest() of one operation, of a PV guest: with the same checks of
 * the address, and without what a copy of any length asks.  Each call pays for
 * it: 4.17's takes 42 steps for 56 bytes, and those that go by bytes more.
 */
static always_inline bool copy_op_from_pv(
    uint64_t *block, const void __user *from)
{
    unsigned long word, scratch;
    int rc = 0;

    BUILD_BUG_ON(TMEM_OP_BYTES != 7 * sizeof(*block));

    if ( !access_ok(from, TMEM_OP_BYTES) )
        return false;

#define COPY_WORD(nr)                                   \
    #nr ":  mov 8 * (" #nr " - 1)(%[from]), %[word]\n" \
    "    mov %[word], %[to" #nr "]\n"

    stac();
    asm volatile (
        "    guest_access_mask_ptr %[from], %[word], %[scratch]\n"
        COPY_WORD(1) COPY_WORD(2) COPY_WORD(3) COPY_WORD(4)
        COPY_WORD(5) COPY_WORD(6) COPY_WORD(7)
        "8:\n"
        "    .section .fixup, \"ax\"\n"
        "9:  mov %[fault], %[rc]\n"
        "    jmp 8b\n"
        "    .previous\n"
        _ASM_EXTABLE(1b, 9b) _ASM_EXTABLE(2b, 9b) _ASM_EXTABLE(3b, 9b)
        _ASM_EXTABLE(4b, 9b) _ASM_EXTABLE(5b, 9b) _ASM_EXTABLE(6b, 9b)
        _ASM_EXTABLE(7b, 9b)
        : [rc] "+r" (rc), [from] "+r" (from),
          [word] "=&r" (word), [scratch] "=&r" (scratch),
          [to1] "=m" (block[0]), [to2] "=m" (block[1]), [to3] "=m" (block[2]),
          [to4] "=m" (block[3]), [to5] "=m" (block[4]), [to6] "=m" (block[5]),
          [to7] "=m" (block[6])
        : "m" (*(const char __user (*)[TMEM_OP_BYTES])from),
          [fault] "i" (-EFAULT) );
    clac();

#undef COPY_WORD

    return !rc;
}

/* What every call is asked before its operation is looked at. */
static always_inline long may_call(const struct domain *d)
{
    /* One status for every refusal, whatever the security module's reason. */
    if ( xsm_tmem_op(XSM_HOOK) )
        return -EPERM;

    /*
     * Once is enough: domain_kill() pauses d, that is waits for this call to
     * end, before it sets the flag.
     */
    return unlikely(d->is_dying) ? -ENODEV : 0;
}

/* Any call: of a 32-bit caller, of one with translated frames, measured. */
static long noinline any_op(XEN_GUEST_HANDLE_PARAM(void) uops)
{
    const struct domain *d = current->domain;
    uint64_t block[TMEM_OP_BYTES / sizeof(uint64_t)];
    bool compat = false;
    long rc;

    if ( !tmem_enabled )
        return -ENODEV;

    if ( (rc = may_call(d)) )
        return rc;

#ifdef CONFIG_COMPAT
    compat = current->hcall_compat;
#endif

    /* The one read of the guest's operation: all decisions use this copy. */
    if ( copy_from_guest((uint8_t *)block, uops,
                         compat ? TMEM_OP_COMPAT_BYTES : TMEM_OP_BYTES) )
        return -EFAULT;

    /*
     * The library takes ticket locks of its own, which check_lock() can't
     * see.  They are sound only if nobody gets here with IRQs off.
     */
    ASSERT_NOT_IN_ATOMIC();

    rc = unlikely(tmem_xen_is_measuring())
         ? measured_op(block, d->domain_id, compat)
         : rs_op(block, d->domain_id, compat);
    stretch_end(block[0]);

    return likely(rc != TMEM_RS_AGAIN) ? rc : go_on(uops, block, compat);
}

/* The same for the calls that there are most of. */
long do_tmem_op(XEN_GUEST_HANDLE_PARAM(void) uops)
{
    const struct vcpu *curr = current;
    const struct domain *d = curr->domain;
    uint64_t block[TMEM_OP_BYTES / sizeof(uint64_t)];
    long rc;

    stretch_begin();

    /* A shim's guest is told what a Xen without tmem tells it. */
    if ( pv_shim )
        return -ENOSYS;

    if ( unlikely(tmem_enabled != TMEM_ON) || !is_pv_vcpu(curr)
#ifdef CONFIG_COMPAT
         || unlikely(curr->hcall_compat)
#endif
       )
        return any_op(uops);

    if ( (rc = may_call(d)) )
        return rc;

    if ( unlikely(!copy_op_from_pv(block, uops.p)) )
        return -EFAULT;

    ASSERT_NOT_IN_ATOMIC();

    rc = tmem_rs_op(block, d->domain_id);
    stretch_end(block[0]);

    return likely(rc != TMEM_RS_AGAIN) ? rc : go_on(uops, block, false);
}

int tmem_domain_destroy(struct domain *d)
{
    if ( !tmem_enabled )
        return 0;

    /* Atomic in name only: the domctl holds an RCU lock. */
    ASSERT(!in_irq() && local_irq_is_enabled());

    /*
     * domain_create()'s error path can't take -ERESTART and doesn't get it:
     * its domain never ran, so there is nothing to give back.
     */
    stretch_begin();
    while ( tmem_rs_domain_destroy(d->domain_id) )
    {
        stretch_end(STRETCH_DEATH);
        if ( hypercall_preempt_check() )
            return -ERESTART;
    }
    stretch_end(STRETCH_DEATH);

    ASSERT(!d->tmem_pages);

    return 0;
}

int tmem_domain_reset(struct domain *d)
{
    if ( !tmem_enabled )
        return 0;

    ASSERT(!in_irq() && local_irq_is_enabled());

    while ( tmem_rs_domain_reset(d->domain_id) )
        if ( hypercall_preempt_check() )
            return -ERESTART;

    ASSERT(!d->tmem_pages);

    return 0;
}

long tmem_sysctl(struct xen_sysctl *op,
                 XEN_GUEST_HANDLE_PARAM(xen_sysctl_t) u_sysctl)
{
    long rc;

    BUILD_BUG_ON(sizeof(op->u.tmem_op) != TMEM_CONTROL_BYTES);

    if ( !tmem_enabled )
        return -ENODEV;

    while ( (rc = tmem_rs_control(&op->u.tmem_op)) == TMEM_RS_AGAIN )
        if ( hypercall_preempt_check() )
        {
            /* How far it came is in the operation itself. */
            if ( __copy_field_to_guest(u_sysctl, op, u.tmem_op) )
                return -EFAULT;

            return hypercall_create_continuation(__HYPERVISOR_sysctl, "h",
                                                 u_sysctl);
        }

    /* An iteration goes on from what it finds in the operation. */
    if ( rc > 0 && __copy_field_to_guest(u_sysctl, op, u.tmem_op) )
        return -EFAULT;

    return rc;
}

void *tmem_xen_percpu(unsigned int cpu)
{
    return &per_cpu(tmem_percpu, cpu);
}

void *tmem_xen_this_percpu(void)
{
    return &this_cpu(tmem_percpu);
}

uint64_t tmem_xen_ready_pages(void)
{
    uint64_t nr = tmem_nr_kept();
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        nr += read_atomic(&per_cpu(tmem_percpu, cpu).nr) +
              !!read_atomic(&per_cpu(tmem_percpu, cpu).spare) +
              tmem_nr_ready_meta(cpu);

    return nr;
}

void noreturn tmem_xen_panic(const char *file, size_t len, unsigned int line)
{
    panic("tmem: fault at %.*s:%u\n", (int)min_t(size_t, len, 256), file, line);
}

static int cf_check cpu_callback(
    struct notifier_block *nfb, unsigned long action, void *hcpu)
{
    /*
     * The area may be freed by RCU once the notifiers have run, so this is
     * the last moment.  Over a suspend it stays, with what it holds.
     */
    if ( action == CPU_DEAD && system_state != SYS_STATE_suspend )
    {
        tmem_rs_cpu_dead((unsigned long)hcpu);
        tmem_drain_meta((unsigned long)hcpu);
        tmem_keep_latencies((unsigned long)hcpu);
    }

    return NOTIFY_DONE;
}

static struct notifier_block cpu_nfb = {
    .notifier_call = cpu_callback,
};

static uint64_t __init random_word(void)
{
    return ((uint64_t)get_random() << 32) | get_random();
}

static int __init cf_check tmem_init(void)
{
    unsigned long reserve;
    int rc;

    if ( !opt_tmem || pv_shim )
        return 0;

    reserve = tmem_frames_init();
    rc = tmem_rs_init(random_word(), random_word(),
                      random_word(), random_word());
    if ( rc )
    {
        printk(XENLOG_ERR "tmem: initialisation failed: %d\n", rc);
        return 0;
    }

    tmem_frames_started();
    register_cpu_notifier(&cpu_nfb);
    tmem_enabled = TMEM_ON;
    printk(XENLOG_INFO "tmem: initialised, leaving %lu pages free\n", reserve);

    return 0;
}
__initcall(tmem_init);

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
