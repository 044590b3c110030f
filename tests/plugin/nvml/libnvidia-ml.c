/*
 * A library with NVML's interface that answers from a file.
 *
 * Implements every function that plugin/hardware/nvml.py calls, with the structures as the public
 * header lays them out. The files lie in the folder of the library itself:
 *
 *   nvml-machine        what the machine has; written by tests/plugin/nvml/flat_file.py
 *   nvml-faults         lines "GPU FUNCTION CODE": the function answers CODE for that GPU; GPU -1
 *                       is any or none, FUNCTION * is any, CODE -1 hangs until the line is gone
 *   nvml-events         lines "GPU TYPE VALUE GPU-INSTANCE COMPUTE-INSTANCE", appended to
 *   nvml-event-types    which events the GPUs report, in NVML's bits; all that we know without it
 *   nvml-compute-mode-N the compute mode of GPU N, kept as a driver keeps it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUCCESS 0
#define UNINITIALIZED 1
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7
#define TIMEOUT 10
#define GPU_IS_LOST 15
#define VERSION_MISMATCH 25
#define UNKNOWN 999

#define HANGS (-1)
#define ANY (-1)

#define MOST_GPUS 32
#define MOST_SLOTS 8
#define MOST_PROFILES 18
#define MOST_PROCESSES 16
#define XID_AND_ECC 0xbULL

typedef unsigned int u32;
typedef unsigned long long u64;

struct profile {
    u32 offered, id, slices, instances, sm, ce, dec, enc, jpg, ofa;
    u64 mebibytes;
    char name[96];
};

struct mig {
    int used;
    char uuid[96];
    u32 gi, profile, start, size, ci, gi_slices, ci_slices, sm;
    u64 mebibytes;
};

struct gpu {
    char uuid[96], bus[32], name[96];
    u32 minor, brand, architecture;
    int major_capability, minor_capability, addressing, mig_now, mig_later, error;
    u64 memory;
    struct profile profiles[MOST_PROFILES];
    struct mig migs[MOST_SLOTS];
    struct { int slot; u32 pid; } processes[MOST_PROCESSES];
    int process_count;
};

struct machine {
    char driver[80];
    int cuda, gpu_count;
    struct gpu gpus[MOST_GPUS];
};

/* What the handles point to: a place, never the facts, which are read anew. */
struct device { int gpu, slot; };
struct instance { int gpu; u32 gi; };

struct event_set {
    int gpus[MOST_GPUS];
    int alarmed;
    long after;
};

struct pci_info {
    char legacy[16];
    u32 domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct memory { u64 total, free, used; };

struct profile_info {
    u32 id, p2p, slices, instances, sm, ce, dec, enc, jpg, ofa;
    u64 mebibytes;
};

struct profile_info_v2 {
    u32 version, id, p2p, slices, instances, sm, ce, dec, enc, jpg, ofa;
    u64 mebibytes;
    char name[96];
};

struct instance_info {
    struct device *device;
    u32 id, profile;
    struct { u32 start, size; } placement;
};

struct attributes {
    u32 sm, ce, dec, enc, jpg, ofa, gi_slices, ci_slices;
    u64 mebibytes;
};

struct process_info {
    u32 pid;
    u64 used;
    u32 gi, ci;
};

struct event_data {
    struct device *device;
    u64 type, value;
    u32 gi, ci;
};

struct addressing_mode { u32 version, value; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct machine *current;
static struct timespec read_at;
static ino_t read_inode;
static int open_count;
static int stale[MOST_GPUS];
static struct device gpu_handles[MOST_GPUS];
static struct device mig_handles[MOST_GPUS][MOST_SLOTS];
static struct instance instances[MOST_GPUS][16];

static void path_of(const char *name, char *path, size_t size)
{
    Dl_info info;
    char own[4000];

    dladdr((void *)path_of, &info);
    snprintf(own, sizeof own, "%s", info.dli_fname);
    *strrchr(own, '/') = 0;
    snprintf(path, size, "%s/%s", own, name);
}

static void nap(long milliseconds)
{
    struct timespec span = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

    nanosleep(&span, NULL);
}

static void keep_rest(char *into, size_t size, const char *line, int offset)
{
    snprintf(into, size, "%s", line + offset);
    into[strcspn(into, "\n")] = 0;
}

static void read_line(struct machine *m, const char *line)
{
    int n = 0, index, number, slot;
    struct gpu g = { 0 };
    struct profile p = { 0 };
    struct mig d = { 0 };
    u32 pid;

    if (sscanf(line, "driver %79s", m->driver) == 1 || sscanf(line, "cuda %d", &m->cuda) == 1)
        return;
    if (sscanf(line, "gpu %d %95s %31s %u %u %u %d %d %llu %d %d %d %d %n", &index, g.uuid, g.bus,
               &g.minor, &g.brand, &g.architecture, &g.major_capability, &g.minor_capability,
               &g.memory, &g.addressing, &g.mig_now, &g.mig_later, &g.error, &n) == 13 && n) {
        keep_rest(g.name, sizeof g.name, line, n);
        m->gpus[index] = g;
        m->gpu_count = index + 1;
    } else if (sscanf(line, "profile %d %d %u %u %u %u %u %u %u %u %u %llu %n", &index, &number,
                      &p.id, &p.slices, &p.instances, &p.sm, &p.ce, &p.dec, &p.enc, &p.jpg,
                      &p.ofa, &p.mebibytes, &n) == 12 && n) {
        keep_rest(p.name, sizeof p.name, line, n);
        p.offered = 1;
        m->gpus[index].profiles[number] = p;
    } else if (sscanf(line, "mig %d %d %95s %u %u %u %u %u %u %u %u %llu", &index, &slot, d.uuid,
                      &d.gi, &d.profile, &d.start, &d.size, &d.ci, &d.gi_slices, &d.ci_slices,
                      &d.sm, &d.mebibytes) == 12) {
        d.used = 1;
        m->gpus[index].migs[slot] = d;
    } else if (sscanf(line, "process %d %d %u", &index, &slot, &pid) == 3) {
        struct gpu *own = &m->gpus[index];

        own->processes[own->process_count].slot = slot;
        own->processes[own->process_count++].pid = pid;
    }
}

/* Returns the machine as its file describes it now; an older one is never freed or changed. */
static const struct machine *machine(void)
{
    char path[4096], line[1024];
    struct stat status;
    struct machine *found;
    FILE *file;

    path_of("nvml-machine", path, sizeof path);
    pthread_mutex_lock(&lock);
    if (stat(path, &status) == 0 &&
        (!current || status.st_ino != read_inode || status.st_mtim.tv_sec != read_at.tv_sec ||
         status.st_mtim.tv_nsec != read_at.tv_nsec) &&
        (file = fopen(path, "r"))) {
        found = calloc(1, sizeof *found);
        while (fgets(line, sizeof line, file))
            read_line(found, line);
        fclose(file);
        current = found;
        read_inode = status.st_ino;
        read_at = status.st_mtim;
    }
    found = current;
    pthread_mutex_unlock(&lock);
    return found;
}

/* Returns the fault of a call, HANGS included, or SUCCESS. */
static int fault(int gpu, const char *function)
{
    char path[4096], line[256], name[128];
    int who, code, found = SUCCESS;
    FILE *file;

    path_of("nvml-faults", path, sizeof path);
    file = fopen(path, "r");
    if (!file)
        return SUCCESS;
    while (found == SUCCESS && fgets(line, sizeof line, file))
        if (sscanf(line, "%d %127s %d", &who, name, &code) == 3 && (who == ANY || who == gpu) &&
            (!strcmp(name, "*") || !strcmp(name, function)))
            found = code;
    fclose(file);
    return found;
}

/*
 * What every function does first: hang, fail, or find the machine.
 *
 * As with a real driver, the connection is gone once it said so, and the handle of a GPU that was
 * lost stays lost: only a new connection and a new handle help.
 */
static int enter(const char *function, int gpu, const struct machine **m)
{
    int code;

    while ((code = fault(gpu, function)) == HANGS)
        nap(10);
    if (code == UNINITIALIZED)
        open_count = 0;
    if (code == GPU_IS_LOST && gpu != ANY)
        stale[gpu] = 1;
    if (code)
        return code;
    if (!open_count)
        return UNINITIALIZED;
    if (gpu != ANY && stale[gpu])
        return GPU_IS_LOST;
    *m = machine();
    if (!*m)
        return UNKNOWN;
    if (gpu >= (*m)->gpu_count)
        return INVALID_ARGUMENT;
    return gpu >= 0 ? (*m)->gpus[gpu].error : SUCCESS;
}

#define ENTER(device)                                                                             \
    const struct machine *m = NULL;                                                               \
    int code = enter(__func__, (device) ? (device)->gpu : ANY, &m);                               \
    if (code)                                                                                     \
        return code;                                                                              \
    const struct gpu *g = &m->gpus[(device) ? (device)->gpu : 0];                                 \
    (void)g

#define NO_DEVICE ((struct device *)NULL)

static int give(const char *text, char *buffer, u32 size)
{
    if (strlen(text) + 1 > size)
        return INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return SUCCESS;
}

int nvmlInitWithFlags(u32 flags)
{
    int code;

    (void)flags;
    while ((code = fault(ANY, __func__)) == HANGS)
        nap(10);
    if (!code)
        open_count++;
    return code;
}

int nvmlShutdown(void)
{
    ENTER(NO_DEVICE);
    open_count--;
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case NOT_SUPPORTED: return "Not Supported";
    case GPU_IS_LOST: return "GPU is lost";
    case UNKNOWN: return "Unknown Error";
    default: return "Some Error";
    }
}

int nvmlSystemGetDriverVersion(char *buffer, u32 size)
{
    ENTER(NO_DEVICE);
    return give(m->driver, buffer, size);
}

int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    ENTER(NO_DEVICE);
    *version = m->cuda;
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(u32 *count)
{
    ENTER(NO_DEVICE);
    *count = m->gpu_count;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, struct device **device)
{
    if (index >= MOST_GPUS)
        return INVALID_ARGUMENT;
    gpu_handles[index] = (struct device){ index, ANY };
    stale[index] = 0;
    ENTER(&gpu_handles[index]);
    *device = &gpu_handles[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(struct device *device, char *buffer, u32 size)
{
    ENTER(device);
    if (device->slot != ANY && !g->migs[device->slot].used)
        return NOT_FOUND;
    return give(device->slot == ANY ? g->uuid : g->migs[device->slot].uuid, buffer, size);
}

int nvmlDeviceGetPciInfo_v3(struct device *device, struct pci_info *info)
{
    ENTER(device);
    memset(info, 0, sizeof *info);
    snprintf(info->bus_id, sizeof info->bus_id, "%s", g->bus);
    return SUCCESS;
}

int nvmlDeviceGetMinorNumber(struct device *device, u32 *minor)
{
    ENTER(device);
    *minor = g->minor;
    return SUCCESS;
}

int nvmlDeviceGetName(struct device *device, char *buffer, u32 size)
{
    ENTER(device);
    return give(g->name, buffer, size);
}

int nvmlDeviceGetBrand(struct device *device, u32 *brand)
{
    ENTER(device);
    *brand = g->brand;
    return SUCCESS;
}

int nvmlDeviceGetArchitecture(struct device *device, u32 *architecture)
{
    ENTER(device);
    *architecture = g->architecture;
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(struct device *device, int *major, int *minor)
{
    ENTER(device);
    *major = g->major_capability;
    *minor = g->minor_capability;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(struct device *device, struct memory *memory)
{
    ENTER(device);
    *memory = (struct memory){ g->memory, g->memory, 0 };
    return SUCCESS;
}

int nvmlDeviceGetAddressingMode(struct device *device, struct addressing_mode *mode)
{
    ENTER(device);
    if (mode->version != (sizeof *mode | 1 << 24))
        return VERSION_MISMATCH;
    if (g->addressing < 0)
        return NOT_SUPPORTED;
    mode->value = g->addressing;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(struct device *device, u32 *now, u32 *later)
{
    ENTER(device);
    if (g->mig_now < 0)
        return NOT_SUPPORTED;
    *now = g->mig_now;
    *later = g->mig_later;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(struct device *device, u32 *count)
{
    ENTER(device);
    *count = g->mig_now < 0 ? 0 : MOST_SLOTS;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct device *device, u32 slot, struct device **mig)
{
    ENTER(device);
    if (g->mig_now != 1 || slot >= MOST_SLOTS)
        return INVALID_ARGUMENT;
    if (!g->migs[slot].used)
        return NOT_FOUND;
    mig_handles[device->gpu][slot] = (struct device){ device->gpu, slot };
    *mig = &mig_handles[device->gpu][slot];
    return SUCCESS;
}

/* Continues only for the handle of a MIG device that exists. */
#define ENTER_MIG(device)                                                                         \
    ENTER(device);                                                                                \
    if (device->slot == ANY)                                                                      \
        return INVALID_ARGUMENT;                                                                  \
    const struct mig *d = &g->migs[device->slot];                                                 \
    if (!d->used)                                                                                 \
        return NOT_FOUND

int nvmlDeviceGetGpuInstanceId(struct device *device, u32 *id)
{
    ENTER_MIG(device);
    *id = d->gi;
    return SUCCESS;
}

int nvmlDeviceGetComputeInstanceId(struct device *device, u32 *id)
{
    ENTER_MIG(device);
    *id = d->ci;
    return SUCCESS;
}

int nvmlDeviceGetAttributes_v2(struct device *device, struct attributes *attributes)
{
    ENTER_MIG(device);
    *attributes = (struct attributes){ .sm = d->sm, .gi_slices = d->gi_slices,
                                       .ci_slices = d->ci_slices, .mebibytes = d->mebibytes };
    return SUCCESS;
}

int nvmlDeviceGetGpuInstanceById(struct device *device, u32 id, struct instance **instance)
{
    int slot;

    ENTER(device);
    if (g->mig_now != 1)
        return NOT_SUPPORTED;
    for (slot = 0; slot < MOST_SLOTS; slot++)
        if (g->migs[slot].used && g->migs[slot].gi == id) {
            instances[device->gpu][id] = (struct instance){ device->gpu, id };
            *instance = &instances[device->gpu][id];
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlGpuInstanceGetInfo(struct instance *instance, struct instance_info *info)
{
    int slot;

    ENTER(instance);
    for (slot = 0; slot < MOST_SLOTS; slot++)
        if (g->migs[slot].used && g->migs[slot].gi == instance->gi) {
            info->device = &gpu_handles[instance->gpu];
            info->id = instance->gi;
            info->profile = g->migs[slot].profile;
            info->placement.start = g->migs[slot].start;
            info->placement.size = g->migs[slot].size;
            return SUCCESS;
        }
    return NOT_FOUND;
}

/* Says whether a GPU can be cut in a way; a fault of "offered" is how the driver says no. */
static int offered(const struct gpu *g, u32 number)
{
    int refusal = fault(ANY, __func__);

    if (number >= MOST_PROFILES)
        return INVALID_ARGUMENT;
    if (g->profiles[number].offered)
        return SUCCESS;
    return refusal ? refusal : NOT_SUPPORTED;
}

int nvmlDeviceGetGpuInstanceProfileInfo(struct device *device, u32 number,
                                        struct profile_info *info)
{
    ENTER(device);
    code = offered(g, number);
    if (code)
        return code;
    const struct profile *p = &g->profiles[number];
    *info = (struct profile_info){ p->id, 0, p->slices, p->instances, p->sm, p->ce, p->dec,
                                   p->enc, p->jpg, p->ofa, p->mebibytes };
    return SUCCESS;
}

int nvmlDeviceGetGpuInstanceProfileInfoV(struct device *device, u32 number,
                                         struct profile_info_v2 *info)
{
    ENTER(device);
    if (info->version != (sizeof *info | 2 << 24))
        return VERSION_MISMATCH;
    code = offered(g, number);
    if (code)
        return code;
    const struct profile *p = &g->profiles[number];
    *info = (struct profile_info_v2){ info->version, p->id, 0, p->slices, p->instances, p->sm,
                                      p->ce, p->dec, p->enc, p->jpg, p->ofa, p->mebibytes, "" };
    snprintf(info->name, sizeof info->name, "MIG %.90s", p->name);
    return SUCCESS;
}

static void mode_path(int gpu, char *path, size_t size)
{
    char name[64];

    snprintf(name, sizeof name, "nvml-compute-mode-%d", gpu);
    path_of(name, path, size);
}

int nvmlDeviceGetComputeMode(struct device *device, u32 *mode)
{
    char path[4096];
    FILE *file;

    ENTER(device);
    *mode = 0;
    mode_path(device->gpu, path, sizeof path);
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%u", mode) != 1)
            code = UNKNOWN;
        fclose(file);
    }
    return code;
}

int nvmlDeviceSetComputeMode(struct device *device, u32 mode)
{
    char path[4096];
    FILE *file;

    ENTER(device);
    if (mode == 1)
        return NOT_SUPPORTED;
    mode_path(device->gpu, path, sizeof path);
    file = fopen(path, "w");
    if (!file)
        return UNKNOWN;
    fprintf(file, "%u\n", mode);
    fclose(file);
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(struct device *device, u32 *count,
                                            struct process_info *processes)
{
    u32 found = 0, room = *count;
    int i;

    ENTER(device);
    for (i = 0; i < g->process_count; i++) {
        if (device->slot != ANY && g->processes[i].slot != device->slot)
            continue;
        if (processes && found < room)
            processes[found] = (struct process_info){ g->processes[i].pid, 0, ~0u, ~0u };
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

static long count_lines(void)
{
    char path[4096];
    long lines = 0;
    int c;
    FILE *file;

    path_of("nvml-events", path, sizeof path);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while ((c = fgetc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

int nvmlEventSetCreate(struct event_set **set)
{
    ENTER(NO_DEVICE);
    *set = calloc(1, sizeof **set);
    (*set)->after = count_lines();
    return SUCCESS;
}

int nvmlDeviceGetSupportedEventTypes(struct device *device, u64 *types)
{
    char path[4096];
    FILE *file;

    ENTER(device);
    *types = XID_AND_ECC;
    path_of("nvml-event-types", path, sizeof path);
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%llu", types) != 1)
            code = UNKNOWN;
        fclose(file);
    }
    return code;
}

int nvmlDeviceRegisterEvents(struct device *device, u64 types, struct event_set *set)
{
    ENTER(device);
    if (types & ~XID_AND_ECC)
        return NOT_SUPPORTED;
    set->gpus[device->gpu] = 1;
    return SUCCESS;
}

/* Takes the next whole line that concerns the set. */
static int next_event(struct event_set *set, struct event_data *event)
{
    char path[4096], line[256];
    long number = 0;
    int gpu, found = 0;
    FILE *file;

    path_of("nvml-events", path, sizeof path);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while (!found && fgets(line, sizeof line, file) && strchr(line, '\n'))
        if (number++ >= set->after) {
            set->after = number;
            found = sscanf(line, "%d %llu %llu %u %u", &gpu, &event->type, &event->value,
                           &event->gi, &event->ci) == 5 &&
                    set->gpus[gpu];
            event->device = &gpu_handles[gpu];
        }
    fclose(file);
    return found;
}

/* A lost GPU alarms its own set at every wait, and once all others: who waits must look closer. */
static int alarming(const struct machine *m, struct event_set *set)
{
    int gpu, lost = 0;

    for (gpu = 0; gpu < m->gpu_count; gpu++)
        if (fault(gpu, "*") == GPU_IS_LOST) {
            if (set->gpus[gpu])
                return 1;
            lost = 1;
        }
    if (lost == set->alarmed)
        return 0;
    set->alarmed = lost;
    return lost;
}

int nvmlEventSetWait_v2(struct event_set *set, struct event_data *event, u32 milliseconds)
{
    u32 waited;
    int gpu = 0;

    while (gpu < MOST_GPUS - 1 && !set->gpus[gpu])
        gpu++;
    ENTER(&gpu_handles[gpu]);
    for (waited = 0; waited <= milliseconds; waited += 5) {
        if (alarming(m, set))
            return GPU_IS_LOST;
        if (next_event(set, event))
            return SUCCESS;
        nap(5);
    }
    return TIMEOUT;
}

int nvmlEventSetFree(struct event_set *set)
{
    char path[4096];
    FILE *file;

    ENTER(NO_DEVICE);
    free(set);
    /* What tests count. */
    path_of("nvml-freed-event-sets", path, sizeof path);
    file = fopen(path, "a");
    if (file) {
        fputs("freed\n", file);
        fclose(file);
    }
    return SUCCESS;
}
