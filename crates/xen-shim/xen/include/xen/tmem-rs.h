/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen/tmem-rs.h: the border between tmem's C glue and its Rust library.
 *
 * Included by the glue only.  The Rust side of each declaration is in
 * crates/xen-shim/src/exports.rs (tmem_rs_*) and ffi.rs (tmem_xen_*); a change
 * here is a change there.  Every function is called with IRQs on, in process
 * context, with no lock of Xen held but those named.
 */
#ifndef __XEN_TMEM_RS_H__
#define __XEN_TMEM_RS_H__

#include <xen/types.h>

/* Bytes of struct tmem_op as a 64-bit and as a 32-bit caller lays it out. */
#define TMEM_OP_BYTES        56
#define TMEM_OP_COMPAT_BYTES 52

/* Bytes of struct xen_sysctl_tmem_op. */
#define TMEM_CONTROL_BYTES   56

/* Not a status: a slice of the work is done, call again. */
#define TMEM_RS_AGAIN        INT_MIN

/* Frames that are kept free for all CPUs, at most. */
#define TMEM_KEPT_MAX        (MB(64) >> PAGE_SHIFT)

/* Room that each CPU keeps for the library's own per-CPU state. */
#define TMEM_PERCPU_BYTES    512

/* Other than TMEM_OFF once the library is started, and never that again. */
extern uint8_t tmem_enabled;
#define TMEM_OFF       0
#define TMEM_ON        1
/* And the latency of guests' operations is measured. */
#define TMEM_MEASURING 2

/* Operations whose latencies are kept apart, in buckets of 2^n nanoseconds. */
#define TMEM_TIMED           4
#define TMEM_LATENCY_BUCKETS 32

/* The library's exports. */

/* Starts the library with a 256-bit hash key.  Returns 0 or -ENOMEM. */
int tmem_rs_init(uint64_t key0, uint64_t key1, uint64_t key2, uint64_t key3);
/*
 * Carries out one operation, or a slice of it, for domain domid.  block is
 * TMEM_OP_BYTES long.  Returns the guest's status or TMEM_RS_AGAIN.
 */
long tmem_rs_op(const void *block, domid_t domid);
/* The same for a 32-bit caller's, which is TMEM_OP_COMPAT_BYTES long. */
long tmem_rs_op_compat(const void *block, domid_t domid);
/*
 * Counts such a call by domid that took so many nanoseconds, for the client
 * and the pool that it named.  cmd and pool_id are the operation's first two
 * words, whatever the guest wrote there.  May allocate, and evict a page.
 */
void tmem_rs_measured(domid_t domid, uint32_t cmd, uint32_t pool_id,
                      uint64_t ns);
/* Gives back a slice of a dying domain's pages.  Returns 1 if more are left. */
int tmem_rs_domain_destroy(domid_t domid);
/* The same for a domain that starts anew, none of whose vCPUs runs. */
int tmem_rs_domain_reset(domid_t domid);
/* Empties the per-CPU state of a CPU that is offline. */
void tmem_rs_cpu_dead(unsigned int cpu);
/*
 * Evicts up to nr ephemeral pages, frees their frames, returns how many.
 * Allocates nothing and gives back no charge.  Locks of Xen may be held, but
 * heap_lock and those that need IRQs off; this CPU may be inside the library,
 * which calls Xen with none of its own locks held.
 */
unsigned int tmem_rs_reclaim(unsigned int nr);
/* Pages that tmem_rs_reclaim() could free.  Takes no lock. */
unsigned long tmem_rs_freeable(void);
/* About as many, at a bounded price: some pools are counted anew each time. */
unsigned long tmem_rs_freeable_estimate(void);
/*
 * Carries out a control operation of the current domain's, or a slice of it.
 * op is a struct xen_sysctl_tmem_op, updated when there is more to do, and for
 * an iteration's next step when the result is above 0.
 * Returns the operation's result or TMEM_RS_AGAIN.
 */
long tmem_rs_control(void *op);

/* What the library asks of Xen.  Latencies: tmem_latency.c. */

/* Begins to measure, from 0, or ends it. */
void tmem_xen_set_measuring(bool on);
bool tmem_xen_is_measuring(void);
/* Sums up what all CPUs have measured: TMEM_LATENCY_BUCKETS words. */
void tmem_xen_latencies(unsigned int operation, uint64_t *buckets);
/* An operation of this command took so many nanoseconds.  For the glue. */
void tmem_count_latency(uint32_t cmd, uint64_t ns);
/* A CPU is gone; keep what it has measured. */
void tmem_keep_latencies(unsigned int cpu);

/* Memory: tmem_frames.c. */

/*
 * Fixes the number of pages that tmem always leaves free, and returns it.
 * Called once, before the library starts.
 */
unsigned long tmem_frames_init(void);
/* The library has started and has its tables, which it keeps for ever. */
void tmem_frames_started(void);

/*
 * Takes up to nr ownerless domheap frames with their old content, for being
 * overwritten in full.  Returns how many.  Here and below a frame is named by
 * its place in the frame table (pdx), from which its address is near.
 */
unsigned int tmem_xen_take_frames(uint32_t *frames, unsigned int nr);
/* Takes nr frames back, to be taken again or for Xen to ask for. */
void tmem_xen_keep_frames(const uint32_t *frames, unsigned int nr);
/* Gives a frame back to Xen's heap at once. */
void tmem_xen_free_frame(uint64_t frame);
/* The same, and the next page of metadata may take its place on this CPU. */
void tmem_xen_free_for_meta(uint64_t frame);
/* Gives up to nr kept frames back to Xen's heap, returns how many. */
unsigned int tmem_free_kept(unsigned int nr);
/* Gives a spare block of that order back; false if there is none. */
bool tmem_free_spare(unsigned int order);
/* How many frames are kept, those of spare blocks included. */
unsigned int tmem_nr_kept(void);
/*
 * One page that is mapped in every context, or NULL: out of what this CPU
 * keeps, or of what is free above the reserve, or in the place of one that was
 * just given back for it.  It holds what its last owner wrote.
 */
void *tmem_xen_alloc_meta(void);
/* How many such pages a CPU keeps; and gives those of an offline CPU back. */
unsigned int tmem_nr_ready_meta(unsigned int cpu);
void tmem_drain_meta(unsigned int cpu);
void tmem_xen_free_meta(void *page);
/* Pages of Xen's heap that tmem has since: frames, kept or not, and metadata. */
uint64_t tmem_xen_held_pages(void);
/* Start-up only: any size, never freed. */
void *tmem_xen_alloc_boot(size_t bytes, size_t align);

/* Memory that Xen takes back: tmem_reclaim.c. */

/* Whether tmem may not take more frames, for somebody else is to get them. */
bool tmem_growth_forbidden(void);
/* So many frames were just taken from, or given back to, Xen's heap. */
void tmem_note_taken(unsigned int nr);
void tmem_note_freed(unsigned int nr);

/* Domains and their memory: tmem_guest.c. */

/* Takes or gives nr pages of the domain's d->max_pages. */
bool tmem_xen_charge(domid_t domid, uint32_t nr);
void tmem_xen_uncharge(domid_t domid, uint32_t nr);
bool tmem_xen_domain_is_dying(domid_t domid);
/* Copy a whole page of the current domain.  Return 0 or -EFAULT. */
int tmem_xen_copy_from_guest(uint64_t cmfn, uint64_t frame);
int tmem_xen_copy_to_guest(uint64_t frame, uint64_t cmfn);
/* Read or write a buffer of the current domain's.  Return 0 or -EFAULT. */
int tmem_xen_read_buffer(uint64_t addr, void *to, uint32_t bytes);
int tmem_xen_write_buffer(uint64_t addr, const void *from, uint32_t bytes);
/* The same for a page that goes into, or comes from, a frame of tmem's. */
int tmem_xen_read_page(uint64_t addr, uint64_t frame);
int tmem_xen_write_page(uint64_t addr, uint64_t frame);

/* CPUs and the end: tmem.c. */

/* TMEM_PERCPU_BYTES of CPU cpu, zero when it comes up, aligned to 64. */
void *tmem_xen_percpu(unsigned int cpu);
/* The same of the CPU that this runs on. */
void *tmem_xen_this_percpu(void);
/* Frames that the CPUs and tmem_frames.c keep ready. */
uint64_t tmem_xen_ready_pages(void);
/* A fault of the library at a place in its source.  file is not terminated. */
void noreturn tmem_xen_panic(const char *file, size_t len, unsigned int line);

#endif /* __XEN_TMEM_RS_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
