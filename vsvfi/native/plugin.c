/* The VapourSynth plugin: offers core.vsvfi and hands the work to vsvfi.filter.plugin in the running interpreter.
 *
 * No state outlives a call or a node: each call fetches the Python implementation anew (Bind), and a node owns
 * the functions and nodes that it uses, so cores can be freed in any order.
 */
#include "errors.h"
#include "gather.h"
#include "interpolate.h"
#include "python.h"

/* As vsvfi/filter/arguments.py declares them. */
static const char *const INTERPOLATE_ARGS =
    "clip:vnode;model:data:opt;factor:float:opt;factor_num:int:opt;factor_den:int:opt;fps_num:int:opt;fps_den:int:opt;"
    "fps:data:opt;timing:data:opt;sc:int:opt;sc_threshold:float:opt;sc_mode:data:opt;device:data:opt;precision:data:opt;"
    "weights:data[]:opt;quality:data:opt;scale:float:opt;tile:int[]:opt;num_streams:int:opt;duplicates:data:opt;"
    "mask:vnode:opt;blend:float:opt;";

/* As vsvfi/filter/enhance.py lists them. */
static const char *const ENHANCE_ARGS =
    "clip:vnode;model:data:opt;sc:int:opt;sc_threshold:float:opt;device:data:opt;precision:data:opt;"
    "weights:data[]:opt;tile:int[]:opt;num_streams:int:opt;";

/* Call the Python implementation of `name`; 0 with an error on `out` where it fails. */
static int call_python(const char *name, const VSMap *in, VSMap *result, VSMap *out, VSCore *core, const VSAPI *vsapi) {
    char error[1024];
    VSFunction *implementation = python_implementation(name, core, vsapi, error, sizeof error);
    if (!implementation) {
        set_error(out, name, error, vsapi);
        return 0;
    }
    const VSCore *outer = gather_allow(core);
    vsapi->callFunction(implementation, in, result);
    gather_allow(outer);
    vsapi->freeFunction(implementation);
    const char *problem = error_of(result, vsapi);
    if (problem)
        set_error(out, name, problem, vsapi);
    return !problem;
}

static void VS_CC interpolate_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    (void)data;
    VSMap *plan = vsapi->createMap();
    if (call_python("Interpolate", in, plan, out, core, vsapi))
        interpolate_node(plan, out, core, vsapi);
    vsapi->freeMap(plan);
}

/* `data` names a function whose Python implementation returns a clip. */
static void VS_CC clip_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    const char *name = data;
    VSMap *result = vsapi->createMap();
    if (call_python(name, in, result, out, core, vsapi)) {
        int unset;
        VSNode *node = vsapi->mapGetNode(result, "clip", 0, &unset);
        if (node)
            vsapi->mapConsumeNode(out, "clip", node, maReplace);
        else
            set_error(out, name, "the implementation returned no clip", vsapi);
    }
    vsapi->freeMap(result);
}

static void VS_CC models_list(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    (void)data;
    VSMap *result = vsapi->createMap();
    if (call_python("Models", in, result, out, core, vsapi))
        for (int i = 0; i < vsapi->mapNumElements(result, "names"); i++)
            vsapi->mapSetData(out, "names", vsapi->mapGetData(result, "names", i, NULL), -1, dtUtf8, maAppend);
    vsapi->freeMap(result);
}

static void VS_CC bind_implementation(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    (void)data;
    int unset;
    const char *error = vsapi->mapGetData(in, "error", 0, &unset);
    VSFunction *function = vsapi->mapGetFunction(in, "impl", 0, &unset);
    if (!python_bind(function, error, core))
        vsapi->mapSetError(out, "vsvfi.Bind: for vsvfi's own use only");
    if (function)
        vsapi->freeFunction(function);
}

static void VS_CC gather_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    (void)data;
    gather_node(in, out, core, vsapi);
}

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi) {
    vspapi->configPlugin("io.github.vsvfi", "vsvfi", "Video frame interpolation", VS_MAKE_VERSION(0, 1),
                         VAPOURSYNTH_API_VERSION, 0, plugin);
    vspapi->registerFunction("Interpolate", INTERPOLATE_ARGS, "clip:vnode;", interpolate_create, NULL, plugin);
    vspapi->registerFunction("DetectScenes", "clip:vnode;threshold:float:opt;", "clip:vnode;", clip_create,
                             "DetectScenes", plugin);
    vspapi->registerFunction("Enhance", ENHANCE_ARGS, "clip:vnode;", clip_create, "Enhance", plugin);
    vspapi->registerFunction("Models", "", "names:data[];", models_list, NULL, plugin);
    /* The two below serve vsvfi's Python side. */
    vspapi->registerFunction("Bind", "impl:func:opt;error:data:opt;", "", bind_implementation, NULL, plugin);
    vspapi->registerFunction("Gather", "clip:vnode;like:vnode:opt;func:func;first:int;last:int;name:data;",
                             "clip:vnode;", gather_create, NULL, plugin);
}
