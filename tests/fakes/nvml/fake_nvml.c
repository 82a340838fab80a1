/* A libnvidia-ml.so.1 without a GPU: H100-like devices whose faults a test can switch while a program runs.
 *
 * Every setting is looked up at every call, first as a line "key=value" in the file named by FAKE_NVML_FILE, then in
 * the environment as FAKE_NVML_<KEY>. Lists are GPU numbers ("2,5") or "all":
 *   gpus=8        how many                          init=9        what nvmlInit returns
 *   lost=LIST     every call: GPU_IS_LOST           hung=LIST     every call blocks until it is taken off the list
 *   closed=LIST   no handle: NO_PERMISSION          denied=LIST   processes and power: NO_PERMISSION
 *   no_gpm=LIST   A100-like                         mig=LIST      two instances a GPU, no utilization of the whole
 *   no_memory=LIST  GB10-like                       weird=LIST    37100 % in the process samples
 *   hot=LIST      thermal throttling                pids=1,2,3    processes, each on GPU (position modulo gpus)
 *   name=TEXT     of every GPU, sent as it is
 *   log=PATH      every call about a device is written there, one "GPU function" a line
 *   waves=1       values move with time; otherwise they are a function of the GPU's number alone
 * Built with -DOLD_DRIVER it lacks what came after 2020: v2/v3 of processes and memory, GPM, event reasons.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nvml_types.h"

#define API __attribute__((visibility("default")))
#define MAX_GPUS 64
#define INSTANCES 2
#define GIB (1ULL << 30)
#define TOTAL_MEMORY (80 * GIB)

static Device devices[MAX_GPUS][INSTANCES + 1];

/* ---- settings */

static int from_file(const char *key, char *value, size_t size) {
    const char *path = getenv("FAKE_NVML_FILE");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[512];
    size_t length = strlen(key);
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && line[length] == '=') {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, size, "%s", line + length + 1);
            found = 1;
        }
    if (file) fclose(file);
    return found;
}

static int setting(const char *key, char *value, size_t size) {
    char name[64];
    if (from_file(key, value, size)) return 1;
    snprintf(name, sizeof name, "FAKE_NVML_%s", key);
    for (char *c = name; *c; c++)
        if (*c >= 'a' && *c <= 'z') *c -= 'a' - 'A';
    const char *found = getenv(name);
    if (found) snprintf(value, size, "%s", found);
    return found != NULL;
}

static int number(const char *key, int otherwise) {
    char value[32];
    return setting(key, value, sizeof value) ? atoi(value) : otherwise;
}

static int listed(const char *key, int gpu) {
    char value[512];
    if (!setting(key, value, sizeof value)) return 0;
    if (!strcmp(value, "all")) return 1;
    for (char *rest = value, *item; (item = strsep(&rest, ","));)
        if (*item && atoi(item) == gpu) return 1;
    return 0;
}

static int gpu_count(void) {
    int count = number("gpus", 8);
    return count < 0 ? 0 : count > MAX_GPUS ? MAX_GPUS : count;
}

/* ---- time and movement */

static u64 now_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (u64)time.tv_sec * 1000000000ULL + (u64)time.tv_nsec;
}

static double wave(int gpu) { /* -1 … 1, and 0 while the values stand still */
    return number("waves", 0) ? sin((double)now_ns(CLOCK_MONOTONIC) / 3e9 + gpu) : 0.0;
}

static double percent(int gpu, double middle) { return middle - gpu + 15.0 * wave(gpu); }

/* ---- faults */

static void written_down(const Device *device, const char *function) {
    char path[512];
    FILE *file = setting("log", path, sizeof path) ? fopen(path, "ae") : NULL;
    if (!file) return;
    fprintf(file, "%d %s\n", device->gpu, function);
    fclose(file);
}

static int entered(const Device *device, const char *function) {
    const struct timespec pause = {0, 10000000};
    written_down(device, function);
    while (listed("hung", device->gpu)) nanosleep(&pause, NULL);
    return listed("lost", device->gpu) ? GPU_IS_LOST : SUCCESS;
}

#define ENTER(device)                                   \
    do {                                                \
        int fault = entered(device, __func__);          \
        if (fault) return fault;                        \
    } while (0)

#define UNLESS(key, device, result)                     \
    do {                                                \
        if (listed(key, (device)->gpu)) return result;  \
    } while (0)

#define GIVES(name, type, expression)                   \
    API int name(Device *device, type *out) {           \
        ENTER(device);                                  \
        *out = (expression);                            \
        return SUCCESS;                                 \
    }

/* ---- the library */

API int nvmlInitWithFlags(u32 flags) {
    (void)flags;
    for (int gpu = 0; gpu < MAX_GPUS; gpu++)
        for (int instance = 0; instance <= INSTANCES; instance++) devices[gpu][instance] = (Device){gpu, instance};
    return number("init", SUCCESS);
}
API int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
API int nvmlShutdown(void) { return SUCCESS; }
API const char *nvmlErrorString(int code) { return code == GPU_IS_LOST ? "GPU is lost" : "error of the fake driver"; }
API int nvmlSystemGetDriverVersion(char *text, u32 size) { return snprintf(text, size, "560.35.03") < 0; }
API int nvmlSystemGetNVMLVersion(char *text, u32 size) { return snprintf(text, size, "12.560.35.03") < 0; }
API int nvmlSystemGetCudaDriverVersion(int *version) { return *version = 12060, SUCCESS; }
API int nvmlSystemGetCudaDriverVersion_v2(int *version) { return *version = 12060, SUCCESS; }
API int nvmlSystemGetProcessName(u32 pid, char *name, u32 size) { return snprintf(name, size, "process %u", pid) < 0; }
API int nvmlDeviceGetCount_v2(u32 *count) { return *count = (u32)gpu_count(), SUCCESS; }

API int nvmlDeviceGetHandleByIndex_v2(u32 index, Device **device) {
    if (index >= (u32)gpu_count()) return INVALID_ARGUMENT;
    UNLESS("closed", &devices[index][0], NO_PERMISSION);
    ENTER(&devices[index][0]);
    *device = &devices[index][0];
    return SUCCESS;
}

static u64 memory_size(const Device *device) { return device->instance ? TOTAL_MEMORY / INSTANCES : TOTAL_MEMORY; }

static int uuid_of(const Device *device, char *text, size_t size) {
    const char *kind = device->instance ? "MIG" : "GPU";
    return snprintf(text, size, "%s-%08x-0000-4000-8000-%012x", kind, device->gpu, device->instance) < 0;
}

API int nvmlDeviceGetUUID(Device *device, char *text, u32 size) {
    ENTER(device);
    return uuid_of(device, text, size);
}

API int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device) {
    char text[64];
    for (int gpu = 0; gpu < gpu_count(); gpu++)
        for (int instance = 0; instance <= INSTANCES; instance++)
            if (!uuid_of(&devices[gpu][instance], text, sizeof text) && !strcmp(text, uuid)) {
                *device = &devices[gpu][instance];
                return entered(*device, __func__);
            }
    return NOT_FOUND;
}

API int nvmlDeviceGetName(Device *device, char *name, u32 size) {
    char given[256];
    ENTER(device);
    if (setting("name", given, sizeof given)) return snprintf(name, size, "%s", given) < 0;
    const char *model = listed("no_memory", device->gpu) ? "NVIDIA GB10"
                      : listed("no_gpm", device->gpu)    ? "NVIDIA A100-SXM4-80GB"
                                                         : "NVIDIA H100 80GB HBM3";
    return snprintf(name, size, device->instance ? "%s MIG 3g.40gb" : "%s", model) < 0;
}

API int nvmlDeviceGetPciInfo_v3(Device *device, Pci *pci) {
    ENTER(device);
    u32 bus = 0x10u + (u32)device->gpu;
    *pci = (Pci){.bus = bus, .pci_device_id = 0x233010de};
    snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "0000:%02X:00.0", bus);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", bus);
    return SUCCESS;
}
API int nvmlDeviceGetPciInfo_v2(Device *device, Pci *pci) { return nvmlDeviceGetPciInfo_v3(device, pci); }

API int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
    ENTER(device);
    *major = listed("no_gpm", device->gpu) ? 8 : 9;
    *minor = 0;
    return SUCCESS;
}

GIVES(nvmlDeviceGetIndex, u32, (u32)device->gpu)
GIVES(nvmlDeviceGetMinorNumber, u32, (u32)device->gpu)
GIVES(nvmlDeviceGetArchitecture, u32, listed("no_gpm", device->gpu) ? 7 : 9)
GIVES(nvmlDeviceGetNumGpuCores, u32, listed("no_gpm", device->gpu) ? 6912 : 16896)
GIVES(nvmlDeviceGetMemoryBusWidth, u32, 5120)
GIVES(nvmlDeviceGetPersistenceMode, u32, 1)
GIVES(nvmlDeviceGetComputeMode, u32, 0)
GIVES(nvmlDeviceGetDisplayMode, u32, 0)
GIVES(nvmlDeviceGetDisplayActive, u32, 0)
GIVES(nvmlDeviceGetPerformanceState, u32, 0)
GIVES(nvmlDeviceGetMaxPcieLinkGeneration, u32, 5)
GIVES(nvmlDeviceGetCurrPcieLinkGeneration, u32, device->gpu ? 5 : 4)
GIVES(nvmlDeviceGetMaxPcieLinkWidth, u32, 16)
GIVES(nvmlDeviceGetCurrPcieLinkWidth, u32, 16)
GIVES(nvmlDeviceGetEnforcedPowerLimit, u32, 700000)
GIVES(nvmlDeviceGetPowerManagementLimit, u32, 700000)
GIVES(nvmlDeviceGetTotalEnergyConsumption, u64, 5000000ULL + now_ns(CLOCK_MONOTONIC) / 2000000)

API int nvmlDeviceGetDriverModel(Device *device, u32 *current, u32 *pending) { /* of Windows */
    (void)current, (void)pending;
    ENTER(device);
    return NOT_SUPPORTED;
}
API int nvmlDeviceGetDriverModel_v2(Device *device, u32 *c, u32 *p) { return nvmlDeviceGetDriverModel(device, c, p); }

/* ---- memory */

static u64 used_memory(const Device *device) {
    return (u64)((10 + device->gpu + 4.0 * wave(device->gpu)) * (double)GIB);
}

API int nvmlDeviceGetMemoryInfo(Device *device, Memory *memory) {
    ENTER(device);
    UNLESS("no_memory", device, NOT_SUPPORTED);
    *memory = (Memory){memory_size(device), memory_size(device) - used_memory(device) - GIB, used_memory(device) + GIB};
    return SUCCESS;
}

API int nvmlDeviceGetBAR1MemoryInfo(Device *device, Bar1 *memory) {
    ENTER(device);
    *memory = (Bar1){128 * GIB, 127 * GIB, GIB};
    return SUCCESS;
}

#ifndef OLD_DRIVER
API int nvmlDeviceGetMemoryInfo_v2(Device *device, MemoryV2 *memory) {
    ENTER(device);
    UNLESS("no_memory", device, NOT_SUPPORTED);
    if (memory->version != (sizeof *memory | 2u << 24)) return VERSION_MISMATCH;
    u64 size = memory_size(device), used = used_memory(device);
    *memory = (MemoryV2){memory->version, size, GIB, size - used - GIB, used};
    return SUCCESS;
}
#endif

API int nvmlDeviceGetTotalEccErrors(Device *device, u32 kind, u32 counter, u64 *count) {
    ENTER(device);
    (void)counter;
    *count = kind == 0 ? 3 : 0;
    return SUCCESS;
}

API int nvmlDeviceGetMemoryErrorCounter(Device *device, u32 kind, u32 counter, u32 where, u64 *count) {
    (void)where;
    return nvmlDeviceGetTotalEccErrors(device, kind, counter, count);
}

/* ---- activity, power, clocks */

API int nvmlDeviceGetUtilizationRates(Device *device, Utilization *rates) {
    ENTER(device);
    UNLESS("mig", device, NOT_SUPPORTED);
    *rates = (Utilization){(u32)percent(device->gpu, 80), (u32)percent(device->gpu, 40)};
    return SUCCESS;
}

static int engine(Device *device, u32 *percentage, u32 *period_us) {
    ENTER(device);
    UNLESS("mig", device, NOT_SUPPORTED);
    *percentage = 5;
    *period_us = 167000;
    return SUCCESS;
}
API int nvmlDeviceGetEncoderUtilization(Device *device, u32 *p, u32 *period) { return engine(device, p, period); }
API int nvmlDeviceGetDecoderUtilization(Device *device, u32 *p, u32 *period) { return engine(device, p, period); }

API int nvmlDeviceGetPowerUsage(Device *device, u32 *milliwatts) {
    ENTER(device);
    UNLESS("denied", device, NO_PERMISSION);
    *milliwatts = (u32)(450000 + 1000 * device->gpu + 150000 * wave(device->gpu));
    return SUCCESS;
}

API int nvmlDeviceGetTemperature(Device *device, u32 sensor, u32 *celsius) {
    ENTER(device);
    (void)sensor;
    *celsius = (u32)(60 + device->gpu + 8 * wave(device->gpu));
    return SUCCESS;
}

#ifndef OLD_DRIVER
API int nvmlDeviceGetTemperatureV(Device *device, TemperatureV1 *out) {
    u32 celsius;
    if (out->version != (sizeof *out | 1u << 24)) return VERSION_MISMATCH;
    int result = nvmlDeviceGetTemperature(device, 0, &celsius);
    if (result == SUCCESS) out->temperature = (int)celsius;
    return result;
}
#endif

API int nvmlDeviceGetTemperatureThreshold(Device *device, u32 threshold, u32 *celsius) {
    ENTER(device);
    if (threshold > 3) return NOT_SUPPORTED;
    *celsius = (const u32[]){92, 89, 95, 87}[threshold];
    return SUCCESS;
}

API int nvmlDeviceGetFanSpeed(Device *device, u32 *speed) { /* an SXM board has no fan of its own */
    (void)speed;
    ENTER(device);
    return NOT_SUPPORTED;
}

static u32 max_clock(u32 type) { return type == 2 ? 2619 : 1980; }

API int nvmlDeviceGetMaxClockInfo(Device *device, u32 type, u32 *megahertz) {
    ENTER(device);
    *megahertz = max_clock(type);
    return SUCCESS;
}

API int nvmlDeviceGetClockInfo(Device *device, u32 type, u32 *megahertz) {
    ENTER(device);
    *megahertz = listed("hot", device->gpu) && type != 2 ? 1200 : max_clock(type);
    return SUCCESS;
}

API int nvmlDeviceGetCurrentClocksThrottleReasons(Device *device, u64 *reasons) {
    ENTER(device);
    *reasons = listed("hot", device->gpu) ? 0x48 : 0;
    return SUCCESS;
}
#ifndef OLD_DRIVER
API int nvmlDeviceGetCurrentClocksEventReasons(Device *device, u64 *reasons) {
    return nvmlDeviceGetCurrentClocksThrottleReasons(device, reasons);
}
#endif

/* ---- links and field values */

API int nvmlDeviceGetPcieThroughput(Device *device, u32 counter, u32 *kib_per_s) {
    const struct timespec window = {0, 20000000}; /* the real one measures for 20 ms */
    ENTER(device);
    nanosleep(&window, NULL);
    *kib_per_s = counter ? 2048000 : 1024000;
    return SUCCESS;
}

API int nvmlDeviceGetNvLinkState(Device *device, u32 link, u32 *active) {
    ENTER(device);
    if (link >= 18) return INVALID_ARGUMENT;
    *active = link < 16;
    return SUCCESS;
}

static int field(const Device *device, FieldValue *item) {
    u64 seconds_e9 = now_ns(CLOCK_MONOTONIC);
    item->type = 3; /* unsigned long long */
    switch (item->field) {
    case 82: item->type = 1, item->value.u = (u32)(70 + device->gpu); return SUCCESS; /* memory temperature */
    case 90: item->type = 1, item->value.u = 26562; return SUCCESS;                   /* MB/s of one NVLink */
    case 91: item->type = 1, item->value.u = 18; return SUCCESS;
    case 138: item->value.ll = seconds_e9 / 250; return SUCCESS;  /* NVLink out, KiB: 4e6 a second */
    case 139: item->value.ll = seconds_e9 / 500; return SUCCESS;  /* NVLink in, KiB: 2e6 a second */
    case 197: item->value.ll = seconds_e9; return SUCCESS;        /* PCIe out, bytes: 1e9 a second */
    case 198: item->value.ll = seconds_e9 * 3; return SUCCESS;    /* PCIe in, bytes: 3e9 a second */
    default: return NOT_SUPPORTED;
    }
}

API int nvmlDeviceGetFieldValues(Device *device, int count, FieldValue *items) {
    ENTER(device);
    for (int i = 0; i < count; i++) items[i].result = field(device, &items[i]);
    return SUCCESS;
}

/* ---- GPM */

#ifndef OLD_DRIVER
API int nvmlGpmQueryDeviceSupport(Device *device, GpmSupport *support) {
    ENTER(device);
    if (support->version != 1) return VERSION_MISMATCH;
    support->supported = !listed("no_gpm", device->gpu);
    return SUCCESS;
}

API int nvmlGpmSampleAlloc(GpmSample **sample) {
    *sample = calloc(1, sizeof **sample);
    return SUCCESS;
}

API int nvmlGpmSampleFree(GpmSample *sample) {
    free(sample);
    return SUCCESS;
}

static int gpm_sample(const Device *device, GpmSample *sample) {
    ENTER(device);
    UNLESS("no_gpm", device, NOT_SUPPORTED);
    sample->taken_ns = now_ns(CLOCK_MONOTONIC) / 64 * 64 + (u64)device->gpu; /* tells the GPU to nvmlGpmMetricsGet */
    return SUCCESS;
}

API int nvmlGpmSampleGet(Device *device, GpmSample *sample) {
    UNLESS("mig", device, NOT_SUPPORTED);
    return gpm_sample(device, sample);
}

API int nvmlGpmMigSampleGet(Device *device, u32 instance, GpmSample *sample) {
    if (device->instance || !listed("mig", device->gpu)) return INVALID_ARGUMENT; /* it is asked of the whole GPU */
    if (instance < 1 || instance > INSTANCES) return INVALID_ARGUMENT;
    return gpm_sample(device, sample);
}

static double gpm_value(u32 id, int gpu) { /* percents and MiB/s; note the order: PCIe out, in; NVLink in, out */
    switch (id) {
    case 1: return percent(gpu, 95);
    case 2: return percent(gpu, 80);
    case 3: return percent(gpu, 50);
    case 4: return percent(gpu, 20);
    case 5: return percent(gpu, 60);
    case 10: return percent(gpu, 70);
    case 12: return percent(gpu, 30);
    case 20: return 1000;
    case 21: return 2000;
    case 60: return 3000;
    case 61: return 4000;
    default: return NAN;
    }
}

API int nvmlGpmMetricsGet(GpmGet *get) {
    if (get->version != 1) return VERSION_MISMATCH;
    if (!get->first || !get->second || get->second->taken_ns <= get->first->taken_ns) return INVALID_ARGUMENT;
    for (u32 i = 0; i < get->count; i++) {
        GpmMetric *metric = &get->metrics[i];
        metric->value = gpm_value(metric->id, (int)(get->second->taken_ns % 64));
        metric->result = isnan(metric->value) ? NOT_SUPPORTED : SUCCESS;
    }
    return SUCCESS;
}
#endif

/* ---- MIG */

API int nvmlDeviceGetMigMode(Device *device, u32 *current, u32 *pending) {
    ENTER(device);
    UNLESS("no_memory", device, NOT_SUPPORTED);
    *current = *pending = listed("mig", device->gpu);
    return SUCCESS;
}

API int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, u32 index, Device **instance) {
    ENTER(device);
    if (!listed("mig", device->gpu) || index >= INSTANCES) return NOT_FOUND;
    *instance = &devices[device->gpu][index + 1];
    return SUCCESS;
}

GIVES(nvmlDeviceGetMaxMigDeviceCount, u32, listed("mig", device->gpu) ? 7 : 0)
GIVES(nvmlDeviceIsMigDeviceHandle, u32, device->instance > 0)
GIVES(nvmlDeviceGetGpuInstanceId, u32, (u32)device->instance)
GIVES(nvmlDeviceGetComputeInstanceId, u32, 0)

API int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *instance, Device **device) {
    ENTER(instance);
    *device = &devices[instance->gpu][0];
    return SUCCESS;
}

/* ---- processes */

static u32 pids_on(const Device *device, u32 *pids, u32 size) {
    char value[512];
    u32 found = 0;
    int position = 0;
    if (device->instance > 1) return 0; /* all are on the first instance */
    if (!setting("pids", value, sizeof value) || gpu_count() == 0) return 0;
    for (char *rest = value, *item; (item = strsep(&rest, ",")); position++)
        if (*item && position % gpu_count() == device->gpu && found < size) pids[found++] = (u32)strtoul(item, NULL, 10);
    return found;
}

#define PROCESSES(name, type, none)                                                        \
    API int name(Device *device, u32 *count, type *out) {                                  \
        u32 pids[64], found, room = *count;                                                \
        ENTER(device);                                                                     \
        UNLESS("denied", device, NO_PERMISSION);                                           \
        *count = found = none ? 0 : pids_on(device, pids, 64);                             \
        if (found > room || (found && !out)) return INSUFFICIENT_SIZE;                     \
        for (u32 i = 0; i < found; i++) out[i] = (type){.pid = pids[i], .used = 4 * GIB};  \
        return SUCCESS;                                                                    \
    }

PROCESSES(nvmlDeviceGetComputeRunningProcesses, ProcessV1, 0)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses, ProcessV1, 1)
#ifndef OLD_DRIVER
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, ProcessV2, 0)
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, ProcessV2, 0)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, ProcessV2, 1)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, ProcessV2, 1)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, ProcessV2, 1)
#endif

API int nvmlDeviceGetProcessUtilization(Device *device, ProcessSample *out, u32 *count, u64 since_us) {
    u32 pids[64], found, room = *count;
    u64 time_us = now_ns(CLOCK_REALTIME) / 1000;
    ENTER(device);
    UNLESS("denied", device, NO_PERMISSION);
    UNLESS("mig", device, NOT_SUPPORTED);
    found = time_us > since_us ? pids_on(device, pids, 64) : 0;
    *count = found;
    if (!found) return NOT_FOUND;
    if (!out || found > room) return INSUFFICIENT_SIZE;
    u32 sm = listed("weird", device->gpu) ? 37100 : (u32)percent(device->gpu, 75);
    for (u32 i = 0; i < found; i++) out[i] = (ProcessSample){pids[i], time_us, sm, 20, 0, 0};
    return SUCCESS;
}
