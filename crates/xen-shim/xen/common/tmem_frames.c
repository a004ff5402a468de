/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tmem_frames.c: the memory that tmem takes from Xen and gives back.
 *
 * Holds the reserve that tmem leaves free, data frames, the free ones of them
 * that it keeps, and metadata pages.
 * Data frames never have an owner: no guest can name them, and Xen scrubs
 * every ownerless page that is freed.
 */

#include <xen/cpumask.h>
#include <xen/init.h>
#include <xen/lib.h>
#include <xen/mm.h>
#include <xen/percpu.h>
#include <xen/spinlock.h>
#include <xen/tmem-rs.h>
#include <xen/xmalloc.h>

/*
 * Frames are taken in blocks of 2^5 to pay for one heap_lock round instead of
 * 32, except for the last SINGLES_BELOW above the reserve: single pages come
 * from the smallest free blocks, so that what is left to Xen at the end is
 * left in big ones, fit for its requests of order > 0.
 */
#define BLOCK_ORDER   5
#define SINGLES_BELOW (MB(16) >> PAGE_SHIFT)

/* The library names a frame by 32 bits: only below 2^(32 + PAGE_SHIFT). */
#define FRAME_FLAGS   (MEMF_no_scrub | MEMF_no_dma | MEMF_no_tmem | \
                       MEMF_bits(32 + PAGE_SHIFT))

/* Page frames below 4GiB, of which Xen needs one for each new domain. */
#define LOW_FRAMES    (GB(4) >> PAGE_SHIFT)

/*
 * Unclaimed free pages that tmem never touches.  Once Xen has booted, its own
 * requests of order > 0 are few: one of order 1 for each vCPU of an HVM guest
 * on SVM, the stack and the per-CPU area of a CPU that comes up, and what the
 * spare blocks below are for; populating by superpages falls back to single
 * pages.  1MiB is room for 128 such vCPUs.
 * The rest, 1/128 of memory within bounds, is for everybody's single pages.
 */
#define RESERVE_MIN   (MB(1) >> PAGE_SHIFT)
#define RESERVE_MAX   (MB(64) >> PAGE_SHIFT)
static unsigned long __read_mostly reserve;

/* The host has memory above 4GiB: leave what is below to those who need it. */
static bool __read_mostly spare_low;

/*
 * Free frames that go from CPU to CPU.  To give a page back to Xen's heap and
 * to take it again costs about as much as all else that a put does; so what
 * the CPUs have too many of waits here, until Xen asks for it.
 */
static DEFINE_SPINLOCK(kept_lock);
static uint32_t *__read_mostly kept;
static unsigned int nr_kept;
static unsigned int __read_mostly kept_max;

/*
 * Blocks that wait for a request of order > 0: single pages, of which building
 * a domain takes very many, use the reserve up and leave no block in it, and
 * eviction, which goes by age, frees none on a host that has been busy for
 * long.  The biggest that Xen was seen to ask for is the state of a domain's
 * vCPUs (XEN_DOMCTL_gethvmcontext), some 6KiB each.  A request gets a part of
 * its size; of what is left of a block there is at most one part of each order.
 */
#define SPARE_ORDER   6
#define SPARES_MIN    8
#define SPARES_MAX    64
static uint32_t spares[SPARES_MAX];
static unsigned int nr_spares;
static unsigned int __read_mostly spares_max;
static uint32_t spare_parts[SPARE_ORDER];
static unsigned int nr_spare_pages;

/*
 * Pages of the heap that tmem has, but for the tables that are made at
 * start-up.  It changes where the heap is asked only.
 * As unsigned 32 bits this is enough for 16TiB, all that the library can name.
 */
static atomic_t held = ATOMIC_INIT(0);

uint64_t tmem_xen_held_pages(void)
{
    return (unsigned int)atomic_read(&held);
}

unsigned long __init tmem_frames_init(void)
{
    reserve = min_t(unsigned long, total_pages / 128, RESERVE_MAX);
    reserve = max_t(unsigned long, reserve, RESERVE_MIN);
    /* All CPUs may look at the same moment, and then each take a block. */
    reserve += (unsigned long)nr_cpu_ids << BLOCK_ORDER;

    spare_low = max_page > LOW_FRAMES;
    kept_max = min_t(unsigned long, total_pages / 32, TMEM_KEPT_MAX);
    kept = xmalloc_array(uint32_t, kept_max);
    if ( !kept )
        kept_max = 0;
    spares_max = min_t(unsigned long, total_pages >> (10 + SPARE_ORDER),
                       SPARES_MAX);
    spares_max = max_t(unsigned int, spares_max, SPARES_MIN);

    return reserve;
}

/*
 * How many pages tmem may take now.  On a full host every put asks, so no
 * lock is taken for it: the allocator decides, under its own.
 */
static unsigned long room(void)
{
    unsigned long free = unclaimed_pages();

    free -= min(free, reserve);

    if ( free && spare_low )
        free = min(free, avail_domheap_pages_region(-1, 33, 0));

    return free;
}

/*
 * A data frame was given up for a page of metadata, which is to take its place
 * although tmem may not grow: while a claim is being met, say.
 */
static DEFINE_PER_CPU(bool, meta_due);

static unsigned int take_kept(uint32_t *frames, unsigned int nr)
{
    if ( !read_atomic(&nr_kept) )
        return 0;

    spin_lock(&kept_lock);

    nr = min(nr, nr_kept);
    nr_kept -= nr;
    memcpy(frames, kept + nr_kept, nr * sizeof(*frames));

    spin_unlock(&kept_lock);

    return nr;
}

static void noinline keep_spare(void)
{
    struct page_info *pg = alloc_domheap_pages(NULL, SPARE_ORDER, FRAME_FLAGS);

    if ( !pg )
        return;

    if ( !spare_low || mfn_x(page_to_mfn(pg)) >= LOW_FRAMES )
    {
        spin_lock(&kept_lock);
        if ( nr_spares < spares_max )
        {
            spares[nr_spares++] = mfn_x(page_to_mfn(pg));
            nr_spare_pages += 1U << SPARE_ORDER;
            pg = NULL;
        }
        spin_unlock(&kept_lock);
    }

    if ( pg )
        free_domheap_pages(pg, SPARE_ORDER);
    else
    {
        atomic_add(1U << SPARE_ORDER, &held);
        tmem_note_taken(1U << SPARE_ORDER);
    }
}

bool tmem_free_spare(unsigned int order)
{
    unsigned int have = order;
    uint32_t mfn = 0;

    if ( order > SPARE_ORDER || !read_atomic(&nr_spare_pages) )
        return false;

    spin_lock(&kept_lock);

    while ( have < SPARE_ORDER && !spare_parts[have] )
        have++;
    if ( have < SPARE_ORDER )
    {
        mfn = spare_parts[have];
        spare_parts[have] = 0;
    }
    else if ( nr_spares )
        mfn = spares[--nr_spares];

    if ( mfn )
    {
        nr_spare_pages -= 1U << order;
        /* There was none of these orders. */
        while ( have-- > order )
            spare_parts[have] = mfn + (1U << have);
    }

    spin_unlock(&kept_lock);

    if ( !mfn )
        return false;

    free_domheap_pages(mfn_to_page(_mfn(mfn)), order);
    atomic_sub(1U << order, &held);
    tmem_note_freed(1U << order);

    return true;
}

static unsigned int take_from_heap(uint32_t *frames, unsigned int nr)
{
    unsigned long left = room();
    unsigned int taken = 0;

    if ( left && unlikely(read_atomic(&nr_spares) < spares_max) )
        keep_spare();

    nr = min_t(unsigned long, nr, left);

    while ( taken < nr )
    {
        unsigned int i, order = 0;
        struct page_info *pg = NULL;

        if ( left >= SINGLES_BELOW && (nr - taken) >> BLOCK_ORDER )
            pg = alloc_domheap_pages(NULL, order = BLOCK_ORDER, FRAME_FLAGS);
        if ( !pg )
            pg = alloc_domheap_pages(NULL, order = 0, FRAME_FLAGS);
        if ( !pg )
            break;

        if ( spare_low && mfn_x(page_to_mfn(pg)) < LOW_FRAMES )
        {
            free_domheap_pages(pg, order);
            break;
        }

        /* Each page of the block is freed alone; the buddies merge again. */
        for ( i = 0; i < (1U << order); i++ )
            frames[taken++] = page_to_pdx(pg + i);
        left -= min(left, 1UL << order);
    }

    atomic_add(taken, &held);
    tmem_note_taken(taken);

    return taken;
}

unsigned int tmem_xen_take_frames(uint32_t *frames, unsigned int nr)
{
    /* Kept frames, too, are meant for the claim then. */
    if ( tmem_growth_forbidden() )
        return 0;

    return take_kept(frames, nr) ?: take_from_heap(frames, nr);
}

void tmem_xen_keep_frames(const uint32_t *frames, unsigned int nr)
{
    unsigned int keep;

    spin_lock(&kept_lock);

    keep = min(nr, kept_max - nr_kept);
    memcpy(kept + nr_kept, frames, keep * sizeof(*frames));
    nr_kept += keep;

    spin_unlock(&kept_lock);

    for ( ; keep < nr; keep++ )
        tmem_xen_free_frame(frames[keep]);
}

unsigned int tmem_free_kept(unsigned int nr)
{
    unsigned int freed = 0;

    /* In batches: heap_lock is not taken under kept_lock. */
    while ( freed < nr )
    {
        uint32_t frames[16];
        unsigned int i;
        unsigned int taken = take_kept(frames, min_t(unsigned int, nr - freed,
                                                   ARRAY_SIZE(frames)));

        if ( !taken )
            break;

        for ( i = 0; i < taken; i++ )
            tmem_xen_free_frame(frames[i]);
        freed += taken;
    }

    return freed;
}

unsigned int tmem_nr_kept(void)
{
    return read_atomic(&nr_kept) + read_atomic(&nr_spare_pages);
}

void tmem_xen_free_frame(uint64_t frame)
{
    free_domheap_page(pdx_to_page(frame));
    atomic_dec(&held);
    tmem_note_freed(1);
}

/*
 * Whoever gives a page back for it may take one, though Xen have less than the
 * reserve: building domains takes from it, and these are to find room for their
 * pools.
 */
void tmem_xen_free_for_meta(uint64_t frame)
{
    tmem_xen_free_frame(frame);
    this_cpu(meta_due) = true;
}

/*
 * A few pages of metadata that each CPU keeps: Xen's heap takes longer over
 * one than the library does over what it is for.  Of no use to anybody else.
 */
#define META_ORDER   2
#define META_MAX     8
struct meta_stock {
    unsigned int nr;
    void *pages[META_MAX];
};
static DEFINE_PER_CPU(struct meta_stock, meta_stock);

unsigned int tmem_nr_ready_meta(unsigned int cpu)
{
    return read_atomic(&per_cpu(meta_stock, cpu).nr);
}

/* A page out of Xen's heap, which is asked for several if there is plenty. */
static void *noinline meta_from_heap(struct meta_stock *stock)
{
    bool due = this_cpu(meta_due);
    unsigned long left = room();
    unsigned int i, order = left >= SINGLES_BELOW ? META_ORDER : 0;
    void *page = NULL;

    this_cpu(meta_due) = false;

    /* Not asked here is tmem_growth_forbidden(): no eviction makes up for it. */
    if ( !due && !left && !tmem_free_kept(1) )
        return NULL;

    if ( order )
        page = alloc_xenheap_pages(order, MEMF_no_tmem);
    if ( !page )
        page = alloc_xenheap_pages(order = 0, MEMF_no_tmem);
    if ( !page )
        return NULL;

    /* Each page of the block is freed alone; the buddies merge again. */
    for ( i = 1; i < (1U << order); i++ )
        stock->pages[stock->nr++] = page + i * PAGE_SIZE;
    atomic_add(1U << order, &held);

    return page;
}

void *tmem_xen_alloc_meta(void)
{
    struct meta_stock *stock = &this_cpu(meta_stock);

    /* What the last owner wrote is left in it: see tmem-rs.h. */
    return likely(stock->nr) ? stock->pages[--stock->nr]
                             : meta_from_heap(stock);
}

void tmem_xen_free_meta(void *page)
{
    struct meta_stock *stock = &this_cpu(meta_stock);

    if ( likely(stock->nr < META_MAX) )
    {
        stock->pages[stock->nr++] = page;
        return;
    }

    free_xenheap_page(page);
    atomic_dec(&held);
}

void __init tmem_frames_started(void)
{
    /* What start-up has asked for and not used is kept like any other. */
    atomic_set(&held, this_cpu(meta_stock).nr);
}

void tmem_drain_meta(unsigned int cpu)
{
    struct meta_stock *stock = &per_cpu(meta_stock, cpu);

    while ( stock->nr )
    {
        free_xenheap_page(stock->pages[--stock->nr]);
        atomic_dec(&held);
    }
}

void *tmem_xen_alloc_boot(size_t bytes, size_t align)
{
    /* Not __init: the library refers to it from its allocator. */
    return _xmalloc(bytes, align);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
