/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tmem_latency.c: how long guests' operations take, if that is asked for.
 *
 * Each CPU counts for itself.  Who reads or clears the counts of another CPU
 * may miss what that one counts in the same moment.  By client and by pool the
 * library counts (tmem_rs_measured()).
 */

#include <xen/bitops.h>
#include <xen/cpumask.h>
#include <xen/lib.h>
#include <xen/percpu.h>
#include <xen/sched.h>
#include <xen/string.h>
#include <xen/tmem-rs.h>

struct latencies {
    uint64_t nr[TMEM_TIMED][TMEM_LATENCY_BUCKETS];
};
static DEFINE_PER_CPU(struct latencies, latencies);

/* The commands' numbers in the guest's ABI. */
#define CMD_PUT_PAGE   4
#define CMD_GET_PAGE   5
#define CMD_FLUSH_PAGE 6

void tmem_count_latency(uint32_t cmd, uint64_t ns)
{
    unsigned int operation, bucket = ns ? flsl(ns) - 1 : 0;

    switch ( cmd )
    {
    case CMD_PUT_PAGE:   operation = 0; break;
    case CMD_GET_PAGE:   operation = 1; break;
    case CMD_FLUSH_PAGE: operation = 2; break;
    default:             operation = 3; break;
    }

    bucket = min(bucket, TMEM_LATENCY_BUCKETS - 1U);
    this_cpu(latencies).nr[operation][bucket]++;
}

void tmem_xen_set_measuring(bool on)
{
    unsigned int cpu;

    if ( on )
        for_each_online_cpu ( cpu )
            memset(&per_cpu(latencies, cpu), 0, sizeof(struct latencies));

    tmem_enabled = on ? TMEM_MEASURING : TMEM_ON;
}

bool tmem_xen_is_measuring(void)
{
    return tmem_enabled == TMEM_MEASURING;
}

void tmem_xen_latencies(unsigned int operation, uint64_t *buckets)
{
    unsigned int cpu, i;

    memset(buckets, 0, TMEM_LATENCY_BUCKETS * sizeof(*buckets));

    if ( operation >= TMEM_TIMED )
        return;

    for_each_online_cpu ( cpu )
        for ( i = 0; i < TMEM_LATENCY_BUCKETS; i++ )
            buckets[i] += per_cpu(latencies, cpu).nr[operation][i];
}

void tmem_keep_latencies(unsigned int cpu)
{
    uint64_t *from = per_cpu(latencies, cpu).nr[0];
    uint64_t *to = this_cpu(latencies).nr[0];
    unsigned int i;

    for ( i = 0; i < TMEM_TIMED * TMEM_LATENCY_BUCKETS; i++ )
        to[i] += from[i];

    /* A CPU that is parked keeps its area, and may come back with it. */
    memset(from, 0, sizeof(struct latencies));
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
